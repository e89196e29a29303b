// Writes docs/api/openapi.json anew: `npx node packages/node/src/gateway/write-openapi.ts`. A test says when it is due.
import { mkdirSync, writeFileSync } from 'node:fs';
import { describeApi } from './openapi.ts';

const file = new URL('../../../../docs/api/openapi.json', import.meta.url);
mkdirSync(new URL('.', file), { recursive: true });
writeFileSync(file, await describeApi());
