import { createSystemClock, silentLogger, silentMeter } from '@pulsemesh/base';
import { version } from '../version.ts';
import { createFakeBackend } from './fake-backend.ts';
import { buildHttpApp } from './http-server.ts';
import { LiveStreams } from './live-stream.ts';

/** The description of the gateway's API (OpenAPI 3.1) as JSON text, as it is served and kept in `docs/api/openapi.json`. */
export async function describeApi(): Promise<string> {
  const clock = createSystemClock({ unref: true });
  using streams = new LiveStreams({}, clock);
  const options = { host: '127.0.0.1', port: 0, token: '', hostNames: [], webDirectory: null, version };
  const deps = { clock, logger: silentLogger, meter: silentMeter };
  const app = await buildHttpApp(options, createFakeBackend(), deps, streams);
  const text = `${JSON.stringify(app.swagger(), null, 2)}\n`;
  await app.close();
  return text;
}
