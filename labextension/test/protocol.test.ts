import { describe, expect, it } from 'vitest';

import { parseMessage } from '../src/protocol';
import { wire, wireState } from './states';

function jobsOf(data: unknown): readonly unknown[] {
  const parsed = parseMessage(data);
  if (parsed.kind !== 'message' || parsed.message.type !== 'jobs') {
    throw new Error('no jobs');
  }
  return parsed.message.jobs;
}

describe('parseMessage', () => {
  it('reads the jobs and the queue', () => {
    const parsed = parseMessage(
      wire({ type: 'jobs', jobs: [wireState()], queue: ['b'] })
    );
    expect(parsed).toMatchObject({
      kind: 'message',
      message: {
        type: 'jobs',
        jobs: [{ id: 'a', name: 'train', elapsedS: 1.5, logBytes: 10 }],
        queue: ['b']
      }
    });
  });

  it('leaves out a job of a state it does not know', () => {
    const jobs = [wireState({ status: 'ASLEEP' }), wireState({ id: 'b' })];
    expect(jobsOf(wire({ type: 'jobs', jobs }))).toHaveLength(1);
  });

  it('has something for every field that is missing', () => {
    const [job] = jobsOf(
      wire({ type: 'jobs', jobs: [{ id: 'a', status: 'QUEUED' }] })
    );
    expect(job).toMatchObject({ name: 'a', reason: '', bars: [], attempt: 1 });
  });

  it('takes infinite and missing totals as unknown', () => {
    const bars = [{ desc: 1, n: 'x', total: null, closed: 'yes' }];
    const [job] = jobsOf(wire({ type: 'jobs', jobs: [wireState({ bars })] }));
    expect(job).toMatchObject({
      bars: [{ desc: '', n: 0, total: null, closed: false }]
    });
  });

  it('names the version of a peer that speaks otherwise', () => {
    const message = { ...wire({ type: 'jobs' }), version: 2 };
    expect(parseMessage(message)).toEqual({ kind: 'version', version: 2 });
    const none = { ...wire({ type: 'jobs' }), version: undefined };
    expect(parseMessage(none)).toEqual({ kind: 'version', version: 0 });
  });

  it.each([null, 1, 'hello', [], {}, wire({ type: 'sing' }), wire({})])(
    'does not stumble over %j',
    data => {
      expect(parseMessage(data)).toEqual({ kind: 'unknown' });
    }
  );

  it('reads a part of a log and a failure', () => {
    const log = wire({ type: 'log', request: 'r', text: 'x', end: 1, size: 1 });
    expect(parseMessage(log)).toMatchObject({
      message: { request: 'r', part: { text: 'x', offset: 0, end: 1 } }
    });
    expect(parseMessage(wire({ type: 'failed', message: 'no' }))).toMatchObject(
      { message: { request: null, message: 'no' } }
    );
  });
});
