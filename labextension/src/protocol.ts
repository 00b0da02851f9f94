/**
 * What the kernel, the server and this extension say to one another: PROTOCOL.md.
 *
 * Whatever comes in is checked here, once; the rest of the extension has types to rely on.
 */

export const TARGET = 'caikit_nb.jobs';
export const VERSION = 1;
export const CARD_MIME_TYPE = 'application/vnd.caikit-nb.card+json';

export const STATUSES = [
  'QUEUED',
  'RUNNING',
  'COMPLETED',
  'CANCELED',
  'ERRORED',
  'PRUNED'
] as const;
export type Status = (typeof STATUSES)[number];

export interface IBar {
  readonly desc: string;
  readonly n: number;
  /** Units to do; null if unknown. */
  readonly total: number | null;
  readonly closed: boolean;
}

export interface IJobState {
  readonly id: string;
  readonly name: string;
  readonly status: Status;
  /** Why it ended as it did; empty if there is nothing to say. */
  readonly reason: string;
  readonly startMethod: string;
  /** Seconds it had run when this was said. */
  readonly elapsedS: number;
  readonly submissionTime: string;
  readonly attempt: number;
  readonly bars: readonly IBar[];
  readonly logBytes: number;
}

export interface ILogPart {
  readonly text: string;
  readonly offset: number;
  /** Where the next part begins. */
  readonly end: number;
  readonly size: number;
}

/** What a saved notebook shows of a card or a table. */
export interface IView {
  /** Which: a job's id for a card. */
  readonly key: string;
  readonly html: string;
  readonly text: string;
  /** Whether that is its last state. */
  readonly ended: boolean;
  /** What takes the place of its marked parts if its kernel ends before. */
  readonly lost: string;
}

export type KernelMessage =
  | { readonly type: 'hello' }
  | {
      readonly type: 'jobs' | 'changed';
      readonly jobs: readonly IJobState[];
      readonly queue: readonly string[];
    }
  | {
      readonly type: 'log';
      readonly request: string | null;
      readonly part: ILogPart;
    }
  | { readonly type: 'view'; readonly view: IView }
  | { readonly type: 'unknown'; readonly keys: readonly string[] }
  | { readonly type: 'lives'; readonly key: string }
  | {
      readonly type: 'failed';
      readonly request: string | null;
      readonly message: string;
    };

export type FrontEndMessage =
  | { readonly type: 'watch'; readonly all: boolean }
  | { readonly type: 'cancel' | 'interrupt'; readonly id: string }
  | { readonly type: 'views'; readonly keys: string[] }
  | {
      readonly type: 'log';
      readonly id: string;
      readonly offset: number | null;
      readonly request: string;
    };

/** What a message is worth: one of ours, one of another version, or nothing we know. */
export type Parsed =
  | { readonly kind: 'message'; readonly message: KernelMessage }
  | { readonly kind: 'version'; readonly version: number }
  | { readonly kind: 'unknown' };

/** Whether a job has ended. */
export function hasEnded(status: Status): boolean {
  return status !== 'QUEUED' && status !== 'RUNNING';
}

/** Read a message of the kernel or an answer of the server. */
export function parseMessage(data: unknown): Parsed {
  if (!isRecord(data) || data['protocol'] !== TARGET) {
    return { kind: 'unknown' };
  }
  const version = data['version'];
  if (version !== VERSION) {
    return { kind: 'version', version: toNumber(version) ?? 0 };
  }
  const message = readMessage(data);
  return message === null ? { kind: 'unknown' } : { kind: 'message', message };
}

function readMessage(data: Record<string, unknown>): KernelMessage | null {
  const request = toText(data['request']);
  switch (data['type']) {
    case 'hello':
      return { type: 'hello' };
    case 'jobs':
    case 'changed':
      return {
        type: data['type'],
        jobs: toList(data['jobs']).flatMap(readJob),
        queue: toList(data['queue']).filter(isText)
      };
    case 'log':
      return { type: 'log', request, part: readPart(data) };
    case 'view':
      return readView(data);
    case 'unknown':
      return { type: 'unknown', keys: toList(data['keys']).filter(isText) };
    case 'lives':
      return { type: 'lives', key: toText(data['key']) ?? '' };
    case 'failed':
      return {
        type: 'failed',
        request,
        message: toText(data['message']) ?? ''
      };
    default:
      return null;
  }
}

function readJob(data: unknown): IJobState[] {
  if (!isRecord(data)) {
    return [];
  }
  const id = toText(data['id']);
  const status = STATUSES.find(known => known === data['status']);
  if (id === null || status === undefined) {
    return [];
  }
  return [
    {
      id,
      name: toText(data['name']) ?? id,
      status,
      reason: toText(data['reason']) ?? '',
      startMethod: toText(data['start_method']) ?? '',
      elapsedS: toNumber(data['elapsed_s']) ?? 0,
      submissionTime: toText(data['submission_time']) ?? '',
      attempt: toNumber(data['attempt']) ?? 1,
      bars: toList(data['bars']).flatMap(readBar),
      logBytes: toNumber(data['log_bytes']) ?? 0
    }
  ];
}

function readBar(data: unknown): IBar[] {
  if (!isRecord(data)) {
    return [];
  }
  return [
    {
      desc: toText(data['desc']) ?? '',
      n: toNumber(data['n']) ?? 0,
      total: toNumber(data['total']),
      closed: data['closed'] === true
    }
  ];
}

function readView(data: Record<string, unknown>): KernelMessage | null {
  const key = toText(data['key']);
  const html = toText(data['html']);
  if (key === null || html === null) {
    return null;
  }
  const view = {
    key,
    html,
    text: toText(data['text']) ?? '',
    ended: data['ended'] === true,
    lost: toText(data['lost']) ?? ''
  };
  return { type: 'view', view };
}

function readPart(data: Record<string, unknown>): ILogPart {
  return {
    text: toText(data['text']) ?? '',
    offset: toNumber(data['offset']) ?? 0,
    end: toNumber(data['end']) ?? 0,
    size: toNumber(data['size']) ?? 0
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function toText(value: unknown): string | null {
  return isText(value) ? value : null;
}

function toNumber(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function toList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
