import { describe, expect, it } from 'vitest';

import { LogText } from '../src/logText';

describe('LogText', () => {
  it('gives whole lines and keeps the rest', () => {
    const text = new LogText();
    expect(text.add('one\ntw')).toBe('one\n');
    expect(text.rest).toBe('tw');
    expect(text.add('o\n')).toBe('two\n');
    expect(text.rest).toBe('');
  });

  it('begins a line anew at a carriage return', () => {
    const text = new LogText();
    expect(text.add(' 10%\r 20%\r 30%\n')).toBe(' 30%\n');
    expect(text.add('1\r2')).toBe('');
    expect(text.rest).toBe('2');
  });

  it('takes Windows line ends as line ends', () => {
    const text = new LogText();
    expect(text.add('one\r\ntwo\r\n')).toBe('one\ntwo\n');
  });

  it('waits for what a carriage return at the end of a part means', () => {
    const text = new LogText();
    expect(text.add('one\r')).toBe('');
    expect(text.add('\ntwo')).toBe('one\n');
  });
});
