"""The command ``dsql-dr``: ``pip install "dsql-dr-constructs[cli]"``."""
