"""What is told: the documents that the command line prints as JSON and the web answers with, shaped once for both."""
