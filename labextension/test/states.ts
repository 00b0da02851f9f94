import { type IJobState, TARGET, VERSION } from '../src/protocol';

/** A job's state as the kernel sends it. */
export function wireState(
  values: Record<string, unknown> = {}
): Record<string, unknown> {
  return {
    id: 'a',
    name: 'train',
    status: 'RUNNING',
    reason: '',
    start_method: 'fork',
    elapsed_s: 1.5,
    submission_time: '2026-01-01T00:00:00',
    attempt: 1,
    bars: [{ desc: 'epochs', n: 1, total: 4, closed: false }],
    log_bytes: 10,
    ...values
  };
}

/** A message of the kernel. */
export function wire(values: Record<string, unknown>): Record<string, unknown> {
  return { protocol: TARGET, version: VERSION, ...values };
}

/** A job's state as the extension has it. */
export function state(values: Partial<IJobState> = {}): IJobState {
  return {
    id: 'a',
    name: 'train',
    status: 'RUNNING',
    reason: '',
    startMethod: 'fork',
    elapsedS: 1.5,
    submissionTime: '2026-01-01T00:00:00',
    attempt: 1,
    bars: [],
    logBytes: 10,
    ...values
  };
}
