import type { Kernel } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';
import { beforeEach, describe, expect, it } from 'vitest';

import { ProcessWatch } from '../src/processWatch';

/** A kernel as far as it is watched. */
class Source {
  readonly iopubMessage = new Signal<this, unknown>(this);
  readonly statusChanged = new Signal<this, string>(this);

  says(session: string, content: object = { text: 'words' }): void {
    const msg_type = 'execution_state' in content ? 'status' : 'stream';
    this.iopubMessage.emit({ header: { session, msg_type }, content });
  }
}

describe('ProcessWatch', () => {
  let source: Source;
  let watch: ProcessWatch;
  let count: number;

  beforeEach(() => {
    source = new Source();
    watch = new ProcessWatch(source as unknown as Kernel.IKernelConnection);
    count = 0;
    watch.replaced.connect(() => (count += 1));
  });

  it('says nothing of a process that goes on', () => {
    source.says('a', { execution_state: 'busy' });
    source.says('a');
    source.statusChanged.emit('busy');
    source.statusChanged.emit('idle');
    source.says('a', { execution_state: 'idle' });
    expect(count).toBe(0);
  });

  it('tells of a restart that this window has asked for', () => {
    source.says('a');
    source.statusChanged.emit('restarting');
    expect(count).toBe(1);
    source.says('b');
    expect(count).toBe(1);
  });

  it('tells of one that another has asked for, before its first message', () => {
    source.says('a');
    const order: string[] = [];
    watch.replaced.connect(() => order.push('replaced'));
    source.iopubMessage.connect(() => order.push('message'));
    source.says('b', { execution_state: 'busy' });
    expect(order).toEqual(['replaced', 'message']);
  });

  it('takes what the server says for nobody', () => {
    source.says('a');
    source.says('server', { execution_state: 'restarting' });
    source.says('a');
    expect(count).toBe(0);
  });

  it('says no more once it is disposed', () => {
    source.says('a');
    watch.dispose();
    source.says('b');
    source.statusChanged.emit('dead');
    expect(count).toBe(0);
    expect(watch.isDisposed).toBe(true);
  });
});
