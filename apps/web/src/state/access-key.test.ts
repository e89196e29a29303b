import { describe, expect, it } from 'vitest';
import { accessKeyCharsMax, readAccessKey, takeAccessKey } from './access-key.ts';

describe('the access key', () => {
  const places = (hash: string, stored: string | null = null) => {
    const kept = new Map(stored === null ? [] : [['pulsemesh.accessKey', stored]]);
    const shown: string[] = [];
    const key = takeAccessKey({
      location: { hash, pathname: '/', search: '' },
      history: { replaceState: (_data, _unused, url) => void shown.push(String(url)) },
      storage: {
        getItem: (name) => kept.get(name) ?? null,
        setItem: (name, value) => void kept.set(name, value),
        removeItem: (name) => void kept.delete(name),
      },
    });
    return { key, shown, kept: kept.get('pulsemesh.accessKey') ?? null };
  };

  it('is taken out of the address and remembered', () => {
    expect(places('#token=abc')).toEqual({ key: 'abc', shown: ['/#/'], kept: 'abc' });
    expect(places('#/alerts/77?token=abc', 'old')).toEqual({ key: 'abc', shown: ['/#/alerts/77'], kept: 'abc' });
  });

  it('is remembered where the address has none', () => {
    expect(places('#/alerts/77', 'old')).toEqual({ key: 'old', shown: [], kept: 'old' });
    expect(places('')).toEqual({ key: null, shown: [], kept: null });
  });

  it('is read from a whole address too, and refused when it cannot be one', () => {
    expect(readAccessKey(' http://localhost:8080/#token=a%2Bb ')).toBe('a+b');
    expect(readAccessKey('k')).toBe('k');
    for (const bad of ['', '  ', 'two words', 'ü', 'x'.repeat(accessKeyCharsMax + 1)])
      expect(readAccessKey(bad)).toBeNull();
  });
});
