import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

import { saveAlone } from './saveAlone';
import type { IJobSettings } from './settings';

type Context = NotebookPanel['context'];

/** What changes within this time after a saving is saved together. */
const APART_MS = 500;

/**
 * Saves a notebook when a job's card has appeared in it, and when one has come to its end: a reload
 * shows only the cards that are saved, and the file is what remains.
 */
export class Autosave {
  constructor(
    tracker: INotebookTracker,
    private readonly settings: IJobSettings
  ) {
    tracker.forEach(panel => this._watch(panel));
    tracker.widgetAdded.connect((_, panel) => this._watch(panel));
    // It may be the last moment.
    window.addEventListener('beforeunload', () => this._saveDue());
  }

  /** Save at once, as the page may be reloaded; soon, if it has just been saved. */
  saveSoon(context: Context): void {
    if (!this.settings.saveOnSubmit || this._due.has(context)) {
      return;
    }
    // A shared document is saved by the server.
    if (context.model.collaborative) {
      return;
    }
    const save = (): void => {
      this._due.delete(context);
      this._savedAt.set(context, performance.now());
      this._save(context);
    };
    const since = performance.now() - (this._savedAt.get(context) ?? -Infinity);
    this._due.set(
      context,
      window.setTimeout(save, Math.max(0, APART_MS - since))
    );
  }

  private _saveDue(): void {
    for (const [context, timer] of this._due) {
      window.clearTimeout(timer);
      this._save(context);
    }
    this._due.clear();
  }

  private _watch({ context }: NotebookPanel): void {
    context.saveState.connect(this._onSaveState, this);
  }

  private _onSaveState(
    context: DocumentRegistry.IContext<DocumentRegistry.IModel>,
    state: DocumentRegistry.SaveState
  ): void {
    if (state === 'started') {
      this._saving.add(context);
      // It has all that was asked for until now.
      window.clearTimeout(this._due.get(context as Context));
      this._due.delete(context as Context);
      return;
    }
    this._end(context as Context);
  }

  /** JupyterLab says nothing of a saving that the user has stopped when asked of a changed file. */
  private _end(context: Context): void {
    this._saving.delete(context);
    if (this._waiting.delete(context)) {
      this._save(context);
    }
  }

  private _save(context: Context): void {
    const { model, contentsModel, isDisposed } = context;
    if (isDisposed || model.readOnly || !contentsModel?.writable) {
      return;
    }
    if (this._saving.has(context)) {
      // Two savings at once would have JupyterLab ask which of them is right.
      this._waiting.add(context);
    } else {
      // Also if JupyterLab thinks that nothing has changed: what changes while it saves is then
      // not in the file, and yet no more `dirty`. It tells the user if this fails.
      void saveAlone(context)
        .catch(() => undefined)
        .finally(() => {
          this._end(context);
        });
    }
  }

  private readonly _due = new Map<Context, number>();
  private readonly _savedAt = new WeakMap<Context, number>();
  private readonly _saving = new WeakSet();
  private readonly _waiting = new WeakSet();
}
