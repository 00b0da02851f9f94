import { Sanitizer } from '@jupyterlab/apputils';
import { renderText } from '@jupyterlab/rendermime';
import type { ITranslator, TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import type { IJob } from './jobList';
import { LogText } from './logText';
import type { ILogPart } from './protocol';
import type { IFound, IJobs } from './tokens';
import { elapsedWords, SIGNS, stateWords } from './words';

const MOST_CHUNKS = 400;
/** So near the end one is still following it. */
const NEAR_PX = 24;

/** What a job prints, from its last part on, and as it goes on. */
export class LogView extends Widget {
  constructor(
    found: IFound,
    private readonly jobs: IJobs,
    private readonly translator: ITranslator
  ) {
    super();
    this.jobId = found.job.id;
    this._job = found.job;
    this._attempt = found.job.attempt;
    this._trans = translator.load('caikit_nb');
    this.addClass('jp-caikit-Log');
    this._head.className = 'jp-caikit-Log-head';
    this._head.setAttribute('role', 'status');
    this._body.className = 'jp-caikit-Log-body jp-RenderedText';
    this._body.tabIndex = 0;
    this._body.setAttribute('role', 'log');
    this._body.setAttribute(
      'aria-label',
      this._trans.__('Output of job %1', found.job.name)
    );
    this._body.append(this._rest);
    this.node.append(this._head, this._body);
    jobs.changed.connect(this._onChanged, this);
    this._drawHead();
    void this._follow();
  }

  readonly jobId: string;

  private _onChanged(): void {
    const found = this.jobs.find(this.jobId);
    if (!found) {
      return;
    }
    this._job = found.job;
    this._drawHead();
    if (found.job.attempt !== this._attempt) {
      this._attempt = found.job.attempt;
      this._begin();
    }
    void this._follow();
  }

  /** Read on until the end is reached. */
  private async _follow(): Promise<void> {
    if (this._isReading) {
      return;
    }
    this._isReading = true;
    try {
      while (!this.isDisposed && (await this._readOn())) {
        // More is there.
      }
    } finally {
      this._isReading = false;
    }
  }

  private async _readOn(): Promise<boolean> {
    const attempt = this._attempt;
    if (this._offset !== null && this._job.logBytes <= this._offset) {
      return false;
    }
    const notebook = this.jobs.find(this.jobId)?.notebook;
    const part = await notebook
      ?.readLog(this.jobId, this._offset)
      .catch(() => null);
    if (!part || this.isDisposed || attempt !== this._attempt) {
      return false;
    }
    await this._show(part);
    return part.end < part.size && part.end > part.offset;
  }

  private async _show(part: ILogPart): Promise<void> {
    if (this._offset === null && part.offset > 0) {
      this._body.prepend(this._leftOut(part.offset));
    }
    this._offset = part.end;
    const isAtEnd = this._isAtEnd();
    const lines = this._text.add(part.text);
    if (lines) {
      const chunk = document.createElement('div');
      this._rest.before(chunk);
      await this._render(chunk, lines.replace(/\n$/, ''));
    }
    await this._render(this._rest, this._text.rest);
    while (this._body.childElementCount > MOST_CHUNKS) {
      this._body.firstElementChild?.remove();
    }
    if (isAtEnd) {
      this._body.scrollTop = this._body.scrollHeight;
    }
  }

  private _render(host: HTMLElement, source: string): Promise<void> {
    host.replaceChildren();
    if (!source) {
      return Promise.resolve();
    }
    return renderText({
      host,
      sanitizer: this._sanitizer,
      source,
      translator: this.translator
    });
  }

  private _leftOut(bytes: number): HTMLElement {
    const note = document.createElement('div');
    note.className = 'jp-caikit-faint';
    note.textContent = this._trans.__(
      '[… %1 kB before this: see %caikit_jobs logs …]',
      Math.ceil(bytes / 1000)
    );
    return note;
  }

  private _begin(): void {
    this._offset = 0;
    this._text = new LogText();
    this._body.replaceChildren(this._rest);
    this._rest.replaceChildren();
  }

  private _isAtEnd(): boolean {
    const { scrollTop, clientHeight, scrollHeight } = this._body;
    return scrollTop + clientHeight >= scrollHeight - NEAR_PX;
  }

  private _drawHead(): void {
    const job = this._job;
    const parts = [
      `${SIGNS[job.status]} ${stateWords(job, this._trans)}`,
      job.name,
      elapsedWords(job, performance.now(), this._trans),
      job.reason
    ];
    this._head.dataset['status'] = job.status;
    this._head.textContent = parts.filter(part => part).join(' · ');
  }

  private _job: IJob;
  private _attempt: number;
  private _offset: number | null = null;
  private _isReading = false;
  private _text = new LogText();
  private readonly _trans: TranslationBundle;
  private readonly _sanitizer = new Sanitizer();
  private readonly _head = document.createElement('div');
  private readonly _body = document.createElement('div');
  private readonly _rest = document.createElement('div');
}
