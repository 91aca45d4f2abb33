"""The reader's side: copies of the notebooks to work in, a folder for a course, JupyterLab."""
