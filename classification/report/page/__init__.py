"""In: the files of a run as values. Out: report.html, drawn section by section, each section a file and a template."""
