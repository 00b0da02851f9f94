import type {
  IDisplayData,
  IMimeBundle,
  INotebookContent
} from '@jupyterlab/nbformat';
import { type INotebookModel, NotebookModel } from '@jupyterlab/notebook';
import { Signal } from '@lumino/signaling';

import type { NotebookJobs, ViewMessage } from '../src/notebookJobs';
import { CARD_MIME_TYPE, type IView } from '../src/protocol';

export const RUNNING = 'a <!--state-->running<!--/state--> <p>words</p>';

/** A notebook of a cell for each list, with an output for each of what a view keeps. */
export function notebook(...cells: object[][]): INotebookModel {
  const model = new NotebookModel();
  model.fromJSON(content(...cells));
  return model;
}

/** Such a notebook's file. */
export function content(...cells: object[][]): INotebookContent {
  return {
    nbformat: 4,
    nbformat_minor: 5,
    metadata: {},
    cells: cells.map(kept => ({
      cell_type: 'code',
      source: '',
      metadata: {},
      execution_count: null,
      outputs: kept.map(displayOf)
    }))
  };
}

function displayOf(kept: object): IDisplayData {
  const data: IMimeBundle = {
    [CARD_MIME_TYPE]: { ...kept },
    'text/html': RUNNING,
    'text/plain': 'running'
  };
  return { output_type: 'display_data', data, metadata: {} };
}

/** A view that has ended. */
export function view(values: Partial<IView> = {}): IView {
  return {
    key: 'a',
    html: 'the end',
    text: 'completed',
    ended: true,
    lost: '',
    ...values
  };
}

/** A notebook's jobs as far as they are recorded. */
export class Source {
  constructor(model: INotebookModel) {
    this.context = {
      model,
      path: 'a.ipynb',
      isReady: true,
      contentsModel: { writable: true },
      ready: Promise.resolve(),
      sessionContext: { isReady: true, hasNoKernel: false },
      saveState: new Signal<object, unknown>({}),
      pathChanged: new Signal<object, unknown>({})
    };
  }

  readonly context;
  readonly path = 'a.ipynb';
  readonly jobs = [];
  readonly changed = new Signal<this, void>(this);
  readonly toldAnew = new Signal<this, void>(this);
  readonly views = new Signal<this, ViewMessage>(this);
  state: NotebookJobs['state'] = 'live';

  become(state: NotebookJobs['state']): void {
    this.state = state;
    this.changed.emit();
  }

  askViews(keys: string[]): boolean {
    this.asked.push(keys);
    for (const key of keys) {
      const known = this.known.get(key);
      this.views.emit(
        known ? { type: 'view', view: known } : { type: 'unknown', keys: [key] }
      );
    }
    return true;
  }

  readonly known = new Map<string, IView>();
  readonly asked: string[][] = [];
}
