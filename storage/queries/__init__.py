"""The read side: SQL whose answer is JSON already, on an asynchronous psycopg pool in autocommit."""
