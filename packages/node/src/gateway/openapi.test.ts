import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { describeApi } from './openapi.ts';

it('is what docs/api/openapi.json says (if not: npx node packages/node/src/gateway/write-openapi.ts)', async () => {
  const kept = readFileSync(new URL('../../../../docs/api/openapi.json', import.meta.url), 'utf8');
  expect(JSON.parse(kept)).toEqual(JSON.parse(await describeApi()));
});
