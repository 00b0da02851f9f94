import type { ISessionContext } from '@jupyterlab/apputils';
import { Widget } from '@lumino/widgets';
import { describe, expect, it } from 'vitest';

import { countEnding, sessionOf } from '../src/ending';
import type { Status } from '../src/protocol';
import type { IJobSource } from '../src/tokens';
import { state } from './states';

function source(
  kernelId: string | null,
  jobs: Record<string, Status>
): IJobSource {
  const states = Object.entries(jobs).map(([id, status]) =>
    state({ id, status })
  );
  return { kernelId, jobs: states } as unknown as IJobSource;
}

function session(id: string | null): ISessionContext {
  return {
    session: { kernel: id === null ? null : { id } }
  } as unknown as ISessionContext;
}

describe('countEnding', () => {
  const sources = [
    source('k', { a: 'RUNNING', b: 'QUEUED', c: 'COMPLETED' }),
    source('k', { a: 'RUNNING' }),
    source('other', { d: 'RUNNING' }),
    source(null, { e: 'RUNNING' })
  ];

  it('counts each job of the kernel once, in whatever session that is', () => {
    expect(countEnding({ sources }, session('k'))).toBe(2);
    expect(countEnding({ sources }, session('other'))).toBe(1);
  });

  it('counts none where there is no kernel', () => {
    expect(countEnding({ sources }, session(null))).toBe(0);
  });
});

describe('sessionOf', () => {
  it('finds that of a notebook or a console, and no other', () => {
    const sessionContext = session('k');
    const panel = Object.assign(new Widget(), { sessionContext });
    expect(sessionOf(panel)).toBe(sessionContext);
    expect(sessionOf(new Widget())).toBeNull();
    expect(sessionOf(null)).toBeNull();
  });
});
