import fc from 'fast-check';
import { it } from 'vitest';
import { sha256Hex as inBrowsers } from './browser.ts';
import { sha256Hex as onNode } from './node.ts';

it('is the same in browsers as on Node', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => inBrowsers(bytes) === onNode(bytes)),
    {},
  );
});
