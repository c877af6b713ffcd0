"""Every notebook runs from top to bottom in a fresh kernel, and is stored without the traces of a run."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SECONDS_A_CELL = 600
MOST_BYTES = 300_000

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])


def test_the_folder_of_notebooks_is_found():
    assert NOTEBOOKS, f"no notebooks in {FOLDER}"


@each_notebook
def test_notebook_runs(path, tmp_path):
    """In an empty folder, so that nothing is read from the repository but what the package bundles."""
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    client = NotebookClient(
        notebook, timeout=SECONDS_A_CELL, startup_timeout=SECONDS_A_CELL, kernel_name="python3", resources=resources
    )
    client.execute()  # raises CellExecutionError with the cell and the traceback
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code" and cell.source)


@each_notebook
def test_notebook_is_stored_without_traces_of_a_run(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert path.stat().st_size < MOST_BYTES
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    for cell in notebook.cells:
        assert not cell.metadata, f"cell {cell.id}: {dict(cell.metadata)}"
        if cell.cell_type == "code":
            assert cell.execution_count is None, f"cell {cell.id} keeps its execution count"
            kinds = {output.output_type for output in cell.outputs}
            assert kinds <= {"stream", "display_data", "execute_result"}, f"cell {cell.id} stores {kinds}"
            assert all(output.get("name") != "stderr" for output in cell.outputs), f"cell {cell.id} stores warnings"
