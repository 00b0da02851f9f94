import { showErrorMessage } from '@jupyterlab/apputils';
import { CodeCell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { OutputArea } from '@jupyterlab/outputarea';
import type { TranslationBundle } from '@jupyterlab/translation';

import { loadExtension } from './loading';
import { type IRunOptions, joinCell, splitCell } from './magicLine';

/** The code of the selected cells, and the cell that shows the card. */
export interface IChosen {
  readonly cell: CodeCell;
  /** The line of a `%%caikit_job` that is there already; null if there is none. */
  readonly line: string | null;
  readonly body: string;
  /** Whether a cell magic is among several cells, which can't be one job then. */
  readonly isMixed: boolean;
}

/** What would run: the active cell, or all code cells that are selected. Null if there is no code. */
export function chooseCells(panel: NotebookPanel): IChosen | null {
  const notebook = panel.content;
  const cells = notebook.widgets.filter(
    (cell): cell is CodeCell =>
      cell instanceof CodeCell && notebook.isSelectedOrActive(cell)
  );
  const parts = cells
    .map(cell => splitCell(cell.model.sharedModel.getSource()))
    .filter(part => part.body.trim());
  const cell = cells.at(-1);
  if (!cell || !parts.length) {
    return null;
  }
  const line = parts.find(part => part.line !== null)?.line ?? null;
  const body = parts.map(part => part.body).join('\n\n');
  // A cell magic takes a whole cell: it can't stand in the middle of several.
  return { cell, line, body, isMixed: parts.length > 1 && /^%%\w/m.test(body) };
}

/** Run code as a job, its card below a cell, whose source stays as it is. */
export async function runAsJob(
  panel: NotebookPanel,
  chosen: IChosen,
  options: IRunOptions,
  trans: TranslationBundle
): Promise<void> {
  const kernel = panel.sessionContext.session?.kernel;
  if (!kernel) {
    await showErrorMessage(
      trans.__('Not run'),
      trans.__('This notebook has no kernel.')
    );
    return;
  }
  if (await loadExtension(kernel, trans)) {
    await execute(panel, chosen.cell, joinCell(options, chosen.body));
  }
}

/** As JupyterLab runs a cell, but of code that isn't the cell's own. */
async function execute(
  panel: NotebookPanel,
  cell: CodeCell,
  code: string
): Promise<void> {
  const { model } = cell;
  model.sharedModel.transact(() => {
    model.clearExecution();
    cell.outputHidden = false;
  }, false);
  model.trusted = true;
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- 4.2 has no executionState
  cell.setPrompt('*');
  const reply = await OutputArea.execute(
    code,
    cell.outputArea,
    panel.sessionContext,
    { cellId: model.sharedModel.getId() }
  );
  if (!cell.isDisposed) {
    model.executionCount = reply?.content.execution_count ?? null;
  }
}
