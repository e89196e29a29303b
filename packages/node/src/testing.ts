import { createSystemClock, silentLogger, silentMeter } from '@pulsemesh/base';
import type { GatewayBackend } from './gateway/backend.ts';
import { type HttpServer, startHttpServer } from './gateway/http-server.ts';
import { version } from './version.ts';

export { makeLoopbackCertificate } from './demo/certificates.ts';
export { startHospitalProxy } from './demo/hospital-proxy.ts';
export { createFakeBackend, type FakeBackend } from './gateway/fake-backend.ts';

/** The gateway's real HTTP server over any backend, on a free loopback port. Dispose to stop. */
export function startTestGateway(backend: GatewayBackend, token: string): Promise<HttpServer> {
  const options = { host: '127.0.0.1', port: 0, token, hostNames: [], webDirectory: null, version };
  const clock = createSystemClock({ unref: true });
  return startHttpServer(options, backend, { clock, logger: silentLogger, meter: silentMeter });
}
