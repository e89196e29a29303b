import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { compareBytes } from './compare-bytes.ts';

it('orders bytes where there is no Buffer as where there is one', async () => {
  vi.resetModules();
  vi.stubGlobal('Buffer', undefined);
  const { compareBytes: inPage } = await import('./compare-bytes.ts');
  vi.unstubAllGlobals();
  expect(inPage).not.toBe(compareBytes);
  fc.assert(fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => inPage(a, b) === compareBytes(a, b)));
  fc.assert(fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => inPage(a, new Uint8Array([...a, ...b])) <= 0));
});
