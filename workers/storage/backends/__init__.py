"""One file per pool type; the file's name is the type. backend.find() looks here, nothing has to be registered."""
