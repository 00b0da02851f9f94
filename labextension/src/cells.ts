import type { NotebookPanel } from '@jupyterlab/notebook';

import { findViews } from './views';

/** The index of the first cell that shows a job's card; -1 if none does. */
export function findCardCell(panel: NotebookPanel, jobId: string): number {
  const { model } = panel.content;
  const shown = findViews(model).find(({ jobs }) => jobs.includes(jobId));
  return shown ? [...(model?.cells ?? [])].indexOf(shown.cell) : -1;
}

/** Show a cell and make it the active one. */
export async function goToCell(
  panel: NotebookPanel,
  index: number
): Promise<void> {
  const notebook = panel.content;
  notebook.deselectAll();
  notebook.activeCellIndex = index;
  await notebook.scrollToItem(index, 'smart');
}
