import type { ISessionContext } from '@jupyterlab/apputils';
import { Signal } from '@lumino/signaling';
import { beforeEach, describe, expect, it } from 'vitest';

import { GoneWidgets } from '../src/card';
import type { NotebookJobs } from '../src/notebookJobs';
import type { IJobs } from '../src/tokens';

/** A notebook's session as far as it tells of widgets. */
class Session {
  readonly disposed = new Signal<this, void>(this);
  readonly iopubMessage = new Signal<this, unknown>(this);

  makes(comm_id: string): void {
    const header = { msg_type: 'comm_open' };
    this.iopubMessage.emit({ header, content: { comm_id } });
  }
}

describe('GoneWidgets', () => {
  let session: Session;
  let lost: Signal<IJobs, NotebookJobs>;
  let gone: GoneWidgets;

  function lose(sessionContext: Session): void {
    lost.emit({ context: { sessionContext } } as unknown as NotebookJobs);
  }

  beforeEach(() => {
    session = new Session();
    lost = new Signal({} as IJobs);
    gone = new GoneWidgets(session as unknown as ISessionContext, { lost });
  });

  it('has none while the kernel goes on, whoever has made them', () => {
    session.makes('a');
    lose(new Session());
    expect([gone.has('a'), gone.has('of an earlier page')]).toEqual([
      false,
      false
    ]);
  });

  it('has all that the kernel before has made, also if they are shown later', () => {
    session.makes('a');
    let changes = 0;
    gone.changed.connect(() => (changes += 1));
    lose(session);
    session.makes('b');
    expect([gone.has('a'), gone.has('b'), changes]).toEqual([true, false, 1]);
    lose(session);
    expect(gone.has('b')).toBe(true);
  });
});
