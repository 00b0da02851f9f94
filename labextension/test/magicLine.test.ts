import { describe, expect, it } from 'vitest';

import {
  formatLine,
  joinCell,
  NO_OPTIONS,
  parseLine,
  splitCell
} from '../src/magicLine';

describe('splitCell', () => {
  it('takes the magic off', () => {
    expect(splitCell('%%caikit_job train -m fork\nx = 1')).toEqual({
      line: 'train -m fork',
      body: 'x = 1'
    });
  });

  it('knows the magic without a line and without a body', () => {
    expect(splitCell('%%caikit_job\nx')).toEqual({ line: '', body: 'x' });
    expect(splitCell('%%caikit_job')).toEqual({ line: '', body: '' });
  });

  it.each(['x = 1', '%%time\nx', '%%caikit_jobs\nx', 'x\n%%caikit_job\ny'])(
    'leaves %j alone',
    source => {
      expect(splitCell(source)).toEqual({ line: null, body: source });
    }
  );
});

describe('parseLine', () => {
  it('reads the options of the form', () => {
    expect(
      parseLine(
        'train -o model,history -m spawn --retain 2h --timeout=1h -e digits'
      )
    ).toEqual({
      name: 'train',
      out: 'model,history',
      startMethod: 'spawn',
      retain: '2h',
      timeout: '1h',
      experiment: 'digits',
      more: ''
    });
  });

  it('keeps all others as they are, with their values', () => {
    const line = "-p 'x=a b' --wait train --retries 2 --save-path=out";
    expect(parseLine(line)).toMatchObject({
      name: 'train',
      more: "-p 'x=a b' --wait --retries 2 --save-path=out"
    });
  });

  it('takes no name for the value of a flag', () => {
    expect(parseLine('-e "my digits" --next train')).toMatchObject({
      name: 'train',
      experiment: 'my digits',
      more: '--next'
    });
  });

  it('joins variables that are named apart', () => {
    expect(parseLine('-o a --out b -oc').out).toBe('a,b,c');
  });
});

describe('formatLine', () => {
  it.each([
    '',
    'train',
    'train -o a,b -m fork --retain 1d -e e -p x=1 --quiet'
  ])('writes %j as it was read', line => {
    expect(formatLine(parseLine(line))).toBe(line);
  });

  it('takes names as people write them', () => {
    expect(formatLine({ ...NO_OPTIONS, out: ' a , b ' })).toBe('-o a,b');
  });

  it('quotes what a shell would take apart', () => {
    expect(formatLine({ ...NO_OPTIONS, retain: "1 d'" })).toBe(
      `--retain '1 d'"'"''`
    );
    expect(formatLine({ ...NO_OPTIONS, experiment: 'my digits' })).toBe(
      "-e 'my digits'"
    );
  });
});

describe('joinCell', () => {
  it('puts the magic before a body', () => {
    expect(joinCell(NO_OPTIONS, 'x')).toBe('%%caikit_job\nx');
    expect(joinCell({ ...NO_OPTIONS, name: 'a' }, 'x')).toBe(
      '%%caikit_job a\nx'
    );
  });
});
