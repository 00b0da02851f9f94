import { type ICodeCellModel, isCodeCellModel } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';

import { CARD_MIME_TYPE } from './protocol';

/** The index of the first cell that shows a job's card; -1 if none does. */
export function findCardCell(panel: NotebookPanel, jobId: string): number {
  const cells = [...(panel.content.model?.cells ?? [])];
  return cells.findIndex(
    cell => isCodeCellModel(cell) && showsCard(cell, jobId)
  );
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

function showsCard(cell: ICodeCellModel, jobId: string): boolean {
  for (let at = 0; at < cell.outputs.length; at++) {
    const card = cell.outputs.get(at).data[CARD_MIME_TYPE];
    if (jobsOf(card).includes(jobId)) {
      return true;
    }
  }
  return false;
}

/** The jobs whose card it is. Older notebooks have the id of one. */
function jobsOf(card: unknown): unknown[] {
  if (!card || typeof card !== 'object') {
    return [];
  }
  if ('jobs' in card && Array.isArray(card.jobs)) {
    return card.jobs;
  }
  return 'id' in card ? [card.id] : [];
}
