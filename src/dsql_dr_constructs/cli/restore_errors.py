"""What AWS answers when it cannot restore, as sentences that say what to do."""

from __future__ import annotations

import re
from typing import NoReturn

from botocore.exceptions import ClientError


class RestoreError(Exception):
    """Nothing was restored, or it is not known; the text says why, and what to do."""


def refuse(what: str, text: str, role: str) -> NoReturn:
    """Raise the sentence for AWS's *text*.

    AWS documents no text of these errors, so words in it decide, and all of it is part of the sentence.

    Args:
        what: What failed, for example ``Restore job 1A2B in us-east-1 is FAILED``.
        text: AWS's own.
        role: ARN of the role with which AWS Backup restores.

    Raises:
        RestoreError: always.
    """
    found = re.sub(r"\barn:[^\s,;'\"]+", " ", text).lower()  # names of roles and keys are no reasons
    denied = found.startswith("accessdenied")  # the code, which a job's text has not
    if not denied and re.search(r"\blimit|quota", found):
        raise RestoreError(
            f"{what}: a quota of Aurora DSQL is used up; by default an account can have 5 multi-Region and 20 "
            "single-Region clusters in a Region, and those that are there now count. Delete a cluster that nobody "
            f"needs, or let AWS raise the quota, then run the command again. AWS answers: {text}"
        )
    if not denied and re.search(r"\bkms\b|\bkeys?\b", found):
        raise RestoreError(
            f"{what}: a key is not accessible. Each Region's key must be enabled, and its policy must admit Aurora "
            f"DSQL and {role}; give --key for another one. AWS answers: {text}"
        )
    apart = re.search(r"continent|\bwitness|same (group|region group|set)|triplet|outside the", found)
    forbidden = r"passrole|not authorized|access ?denied|insufficient (permission|privilege)"
    if denied or re.search(forbidden if apart else rf"{forbidden}|not permitted", found):
        raise RestoreError(
            f"{what}: a permission is missing. Whoever starts a restore needs backup:StartRestoreJob on the recovery "
            f"point and iam:PassRole on {role}; the role itself has its permissions from the backup stack of the "
            f"primary Region. AWS answers: {text}"
        )
    if apart:
        raise RestoreError(
            f"{what}: both Regions and the witness must be three Regions of one continent in which Aurora DSQL offers "
            f"multi-Region clusters; give another --witness. AWS answers: {text}"
        )
    if re.search(r"\brole\b", found):
        raise RestoreError(
            f"{what}: AWS Backup cannot use the role {role}. The backup stack of the primary Region makes it: deploy "
            f"the pair with backup=BackupOptions(), then run the command again. AWS answers: {text}"
        )
    if re.search(r"identical|\bcop(y|ies)\b|recovery ?point", found):
        raise RestoreError(
            f"{what}: the Region of the peer has no identical copy of the recovery point, or it is being deleted. See "
            f"dsql-dr backups, and choose another one. AWS answers: {text}"
        )
    raise RestoreError(f"{what}, for a reason that this release does not know. AWS answers: {text}")


def answer(error: ClientError) -> str:
    """Code and text, as AWS gives them."""
    return f"{error.response['Error']['Code']}: {error.response['Error'].get('Message', '')}"
