import type { Kernel, KernelMessage as Jupyter } from '@jupyterlab/services';
import { type JSONObject, PromiseDelegate, UUID } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';

import {
  type FrontEndMessage,
  type ILogPart,
  type KernelMessage,
  parseMessage,
  TARGET,
  VERSION
} from './protocol';
import { ProcessWatch } from './processWatch';

/**
 * What is known of a kernel: `silent` while it has not answered yet, `absent` if caikit_nb isn't
 * loaded in it, `other-version` if one is that speaks otherwise.
 */
export type LinkState = 'silent' | 'absent' | 'live' | 'other-version';

/** The kernel keeps telling for 90 s after each of these. */
const WATCH_EVERY_MS = 30_000;

/** The comm with one kernel, which is looked for, joined, and found again. */
export class KernelLink implements IDisposable {
  constructor(readonly kernel: Kernel.IKernelConnection) {
    this._process = new ProcessWatch(kernel);
    this._process.replaced.connect(this._lose, this);
    kernel.iopubMessage.connect(this._hear, this);
    kernel.connectionStatusChanged.connect(this._onConnection, this);
    void this._look();
  }

  get state(): LinkState {
    return this._state;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  get stateChanged(): ISignal<this, LinkState> {
    return this._stateChanged;
  }

  /** A message has come. */
  get heard(): ISignal<this, KernelMessage> {
    return this._heard;
  }

  cancel(id: string): void {
    this._send({ type: 'cancel', id });
  }

  interrupt(id: string): void {
    this._send({ type: 'interrupt', id });
  }

  /** Ask how these views stand. False if nobody hears it. */
  askViews(keys: readonly string[]): boolean {
    return this._send({ type: 'views', keys: [...keys] });
  }

  /** A part of a job's log. Rejected if the kernel says no, or the link ends meanwhile. */
  readLog(id: string, offset: number | null): Promise<ILogPart> {
    const request = UUID.uuid4();
    const answer = new PromiseDelegate<ILogPart>();
    this._requests.set(request, answer);
    if (!this._send({ type: 'log', id, offset, request })) {
      this._forgetRequests();
    }
    return answer.promise;
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    this._process.dispose();
    this._leave();
    Signal.clearData(this);
  }

  /** Ask whether the extension is loaded; costs the kernel one small answer. */
  private async _look(): Promise<void> {
    try {
      const reply = await this.kernel.requestCommInfo({ target_name: TARGET });
      if (this._isDisposed || this._comm || reply.content.status !== 'ok') {
        return;
      }
      const [id] = Object.keys(reply.content.comms);
      if (id === undefined) {
        this._setState('absent');
      } else {
        await this._join(id);
      }
    } catch {
      // The kernel was restarted or is gone: what follows will say so.
    }
  }

  private async _join(id: string): Promise<void> {
    if (this._comm || !this.kernel.handleComms) {
      return;
    }
    const comm = this.kernel.createComm(TARGET, id);
    this._comm = comm;
    comm.onMsg = message => this._take(message.content.data);
    comm.onClose = () => this._lose();
    await startSubshell(this.kernel, comm);
    if (this._comm === comm) {
      this._send({ type: 'watch', all: true });
      this._timer = window.setInterval(
        () => this._send({ type: 'watch', all: false }),
        WATCH_EVERY_MS
      );
    }
  }

  /** The first message of a kernel that loads the extension: its comm isn't known yet. */
  private _hear(_: unknown, message: Jupyter.IIOPubMessage): void {
    if (this._comm || message.header.msg_type !== 'comm_msg') {
      return;
    }
    const content = message.content as Jupyter.ICommMsgMsg['content'];
    const parsed = parseMessage(content.data);
    if (parsed.kind === 'version') {
      this._setState('other-version');
    } else if (parsed.kind === 'message' && parsed.message.type === 'hello') {
      this._heard.emit(parsed.message);
      void this._join(content.comm_id);
    }
  }

  private _take(data: JSONObject): void {
    const parsed = parseMessage(data);
    if (parsed.kind === 'version') {
      this._setState('other-version');
    } else if (parsed.kind === 'message') {
      this._answer(parsed.message);
      if (parsed.message.type === 'jobs') {
        this._setState('live');
      }
      this._heard.emit(parsed.message);
    }
  }

  private _answer(message: KernelMessage): void {
    if (message.type !== 'log' && message.type !== 'failed') {
      return;
    }
    const request = message.request ?? '';
    const delegate = this._requests.get(request);
    this._requests.delete(request);
    if (message.type === 'log') {
      delegate?.resolve(message.part);
    } else {
      delegate?.reject(new Error(message.message));
    }
  }

  private _onConnection(_: unknown, status: Kernel.ConnectionStatus): void {
    if (status !== 'connected') {
      return;
    }
    if (!this._comm) {
      void this._look();
    } else if (this._state === 'live') {
      // What was said meanwhile was not heard.
      this._send({ type: 'watch', all: true });
    }
  }

  private _lose(): void {
    this._leave();
    this._setState('absent');
  }

  private _leave(): void {
    window.clearInterval(this._timer);
    this._comm?.dispose();
    this._comm = null;
    this._forgetRequests();
  }

  private _forgetRequests(): void {
    for (const answer of this._requests.values()) {
      answer.reject(new Error('the kernel is gone'));
    }
    this._requests.clear();
  }

  private _send(message: FrontEndMessage): boolean {
    if (!this._comm || this._comm.isDisposed) {
      return false;
    }
    this._comm.send({ protocol: TARGET, version: VERSION, ...message });
    return true;
  }

  private _setState(state: LinkState): void {
    if (state !== this._state && !this._isDisposed) {
      this._state = state;
      this._stateChanged.emit(state);
    }
  }

  private readonly _process: ProcessWatch;
  private _state: LinkState = 'silent';
  private _comm: Kernel.IComm | null = null;
  private _timer = 0;
  private _isDisposed = false;
  private readonly _requests = new Map<string, PromiseDelegate<ILogPart>>();
  private readonly _stateChanged = new Signal<this, LinkState>(this);
  private readonly _heard = new Signal<this, KernelMessage>(this);
}

/** Wait for the thread in which a kernel hears a comm also while a cell runs, if it has such. */
async function startSubshell(
  kernel: Kernel.IKernelConnection,
  comm: Kernel.IComm & { readonly subshellStarted?: Promise<void> }
): Promise<void> {
  // Without support for it that promise stays open.
  if (
    kernel.supportsSubshells &&
    `${kernel.commsOverSubshells}` !== 'disabled'
  ) {
    await comm.subshellStarted;
  }
}
