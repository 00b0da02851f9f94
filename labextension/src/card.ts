import type { ISessionContext } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { IRenderMime, IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { KernelMessage } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import type {
  ReadonlyPartialJSONObject,
  ReadonlyPartialJSONValue
} from '@lumino/coreutils';
import { type ISignal, Signal } from '@lumino/signaling';
import { Panel, Widget } from '@lumino/widgets';

import type { NotebookJobs } from './notebookJobs';
import { CARD_MIME_TYPE } from './protocol';
import type { IJobs } from './tokens';
import { keptOf } from './views';

const WIDGET_MIME_TYPE = 'application/vnd.jupyter.widget-view+json';
const HTML_MIME_TYPE = 'text/html';

/** How often a live card that wasn't there is looked for. */
const AGAIN_MS = 1_000;

/** Ahead of ipywidgets' own renderer, whose rank is -10. */
const RANK = -20;

/**
 * Have a notebook show saved cards where their widgets are gone.
 *
 * @param panel - The notebook.
 * @param everywhere - JupyterLab's own renderers. ipywidgets puts one there that waits for a kernel,
 *   and one that is bound to the kernel into each notebook, once that has one.
 * @param jobs - Knows when a kernel is gone.
 * @param trans - The translations.
 */
export function addCardFactory(
  panel: NotebookPanel,
  everywhere: IRenderMimeRegistry,
  jobs: IJobs,
  trans: TranslationBundle
): void {
  const { rendermime } = panel.content;
  const { sessionContext } = panel;
  const gone = new GoneWidgets(sessionContext, jobs);
  const canMakeWidgets = (): boolean => {
    const factory = rendermime.getFactory(WIDGET_MIME_TYPE);
    return !!factory && factory !== everywhere.getFactory(WIDGET_MIME_TYPE);
  };
  rendermime.addFactory(
    {
      // It sanitises as the HTML renderer does, and makes widgets for trusted outputs alone.
      safe: true,
      mimeTypes: [CARD_MIME_TYPE],
      createRenderer: () =>
        new CardRenderer(
          rendermime,
          canMakeWidgets,
          sessionContext,
          gone,
          trans
        )
    },
    RANK
  );
}

/**
 * Widgets that a notebook's kernel has no more.
 *
 * Whatever comes back into the notebook after its kernel has ended, be it from the clipboard or
 * from a checkpoint: there is no widget but those that the kernel has made since then.
 */
export class GoneWidgets {
  /**
   * @param sessionContext - The notebook's.
   * @param jobs - Knows when a kernel is gone.
   */
  constructor(
    private readonly sessionContext: ISessionContext,
    jobs: Pick<IJobs, 'lost'>
  ) {
    jobs.lost.connect(this._onLost, this);
    sessionContext.iopubMessage.connect(this._onMessage, this);
    sessionContext.disposed.connect(() => {
      jobs.lost.disconnect(this._onLost, this);
      Signal.clearData(this);
    });
  }

  /** There are more of them. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  has(modelId: string): boolean {
    return this._made !== null && !this._made.has(modelId);
  }

  private _onLost(_: unknown, { context }: NotebookJobs): void {
    if (context.sessionContext === this.sessionContext) {
      this._made = new Set();
      this._changed.emit();
    }
  }

  private _onMessage(_: unknown, message: KernelMessage.IMessage): void {
    if (KernelMessage.isCommOpenMsg(message)) {
      this._made?.add(message.content.comm_id);
    }
  }

  /** What the kernel has made since the one before has ended; null if none has. */
  private _made: Set<string> | null = null;
  private readonly _changed = new Signal<this, void>(this);
}

/**
 * A job's card: the saved one at once, and the live one in its place as soon as there is one.
 *
 * Left alone, JupyterLab shows the live card or, without its kernel, an error message.
 */
export class CardRenderer extends Panel implements IRenderMime.IRenderer {
  constructor(
    private readonly rendermime: IRenderMimeRegistry,
    private readonly canMakeWidgets: () => boolean,
    private readonly sessionContext: ISessionContext,
    private readonly gone: GoneWidgets,
    trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-caikit-Card');
    this._saved = rendermime.createRenderer(HTML_MIME_TYPE);
    this._note.addClass('jp-caikit-Card-note');
    this._lost = trans.__(
      'As it was saved: this notebook’s kernel doesn’t have it.'
    );
    this._note.hide();
    this.addWidget(this._saved);
    this.addWidget(this._note);
    sessionContext.statusChanged.connect(this._lookAgain, this);
    gone.changed.connect(this._onGone, this);
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this._model = model;
    this._hasEnded = keptOf(model.data[CARD_MIME_TYPE])?.ended ?? true;
    await this._saved.renderModel(model);
    this._renderLive();
    this._swap();
    // Once there is a kernel, ipywidgets readies itself at the same moment: just after that.
    void this.sessionContext.ready.then(() =>
      window.setTimeout(() => this._lookAgain())
    );
  }

  override dispose(): void {
    this._observer.disconnect();
    this._saved.dispose();
    super.dispose();
  }

  private _lookAgain(): void {
    if (!this.isDisposed) {
      const now = performance.now();
      if (
        this._isMissing &&
        !this._hasEnded &&
        now - this._triedAt > AGAIN_MS
      ) {
        // It may only have come after its output: from another client, or from a busy kernel.
        this._modelId = '';
        this._triedAt = now;
      }
      this._renderLive();
      this._swap();
    }
  }

  private _renderLive(): void {
    const model = this._model;
    const view = model?.data[WIDGET_MIME_TYPE];
    if (!model?.trusted || !isObject(view) || this._isGone) {
      return;
    }
    const id = modelIdOf(model.data);
    if (id === this._modelId || !this.canMakeWidgets()) {
      return;
    }
    this._dropLive();
    this._modelId = id;
    this._live = this.rendermime.createRenderer(WIDGET_MIME_TYPE);
    this._stage = new Panel();
    this._stage.hide();
    this._stage.addWidget(this._live);
    this.addWidget(this._stage);
    this._observer.observe(this._live.node, {
      attributeFilter: ['class'],
      childList: true
    });
    // A copy, as the widgets' renderer changes it when the widget goes.
    const data = { ...model.data, [WIDGET_MIME_TYPE]: { ...view } };
    void this._live.renderModel({
      data,
      metadata: model.metadata,
      trusted: model.trusted,
      setData: () => undefined
    });
  }

  private _dropLive(): void {
    this._observer.disconnect();
    this._stage?.dispose();
    this._stage = this._live = null;
  }

  /** Show the live card if there is one, else the saved one: in one step, so that nothing blinks. */
  private _swap(): void {
    const isLive = this._live instanceof Panel && this._live.widgets.length > 0;
    this._stage?.setHidden(!isLive);
    if (isLive) {
      // Not only hidden: who reads or searches the page must not find everything twice.
      this._saved.parent = null;
    } else if (!this._saved.parent) {
      this.insertWidget(0, this._saved);
    }
    const isLost = !isLive && !this._hasEnded && this._isLost();
    this._note.node.textContent = isLost ? this._lost : '';
    this._note.setHidden(!isLost);
  }

  private _isLost(): boolean {
    const { isReady, hasNoKernel } = this.sessionContext;
    return this._isGone || this._isMissing || (isReady && hasNoKernel);
  }

  /** The widgets' renderer marks itself so once it has found that there is no such widget. */
  private get _isMissing(): boolean {
    return this._live?.node.classList.contains('jupyter-widgets') ?? false;
  }

  private _onGone(): void {
    if (this._isGone) {
      this._dropLive();
      this._swap();
    }
  }

  private get _isGone(): boolean {
    return !!this._model && this.gone.has(modelIdOf(this._model.data));
  }

  private _model: IRenderMime.IMimeModel | null = null;
  private _modelId = '';
  private _live: IRenderMime.IRenderer | null = null;
  private _stage: Panel | null = null;
  private _hasEnded = true;
  private _triedAt = -Infinity;
  private readonly _saved: IRenderMime.IRenderer;
  private readonly _lost: string;
  private readonly _note = new Widget();
  private readonly _observer = new MutationObserver(() => this._swap());
}

/** The widget that an output shows; empty if it shows none. */
function modelIdOf(data: ReadonlyPartialJSONObject): string {
  const view = data[WIDGET_MIME_TYPE];
  const id = isObject(view) ? view['model_id'] : undefined;
  return typeof id === 'string' ? id : '';
}

function isObject(
  value: ReadonlyPartialJSONValue | undefined
): value is ReadonlyPartialJSONObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
