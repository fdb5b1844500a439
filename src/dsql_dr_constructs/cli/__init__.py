"""The command ``dsql-dr``: ``pip install "dsql-dr-constructs[cli]"``; each command has a file of its own."""
