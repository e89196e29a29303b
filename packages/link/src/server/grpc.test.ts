import { fileURLToPath } from 'node:url';
import { type ClientDuplexStream, credentials, loadPackageDefinition, type ServiceError, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { Condition } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import type { Carrier } from '../carrier.ts';
import { issueTlsMaterial, silentHandler, startTestServer, testAuthority } from './harness.ts';

/** What proto-loader makes of the service, as far as the tests use it. */
type Client = { Session(): ClientDuplexStream<object, StockPacket>; close(): void };
type StockPacket = { readonly sealed?: { readonly session: Buffer; readonly number: string; readonly box: Buffer } };

const definition = loadSync(fileURLToPath(new URL('../../proto/link.proto', import.meta.url)), { longs: String });
// The shape of the definition is that of the file.
const { pulsemesh } = loadPackageDefinition(definition) as unknown as {
  pulsemesh: { link: { v1: { Link: new (target: string, use: unknown, options?: object) => Client } } };
};

function connect(port: number, options: { readonly isTls?: boolean; readonly compression?: number } = {}): Client {
  const use = options.isTls
    ? credentials.createSsl(Buffer.from(testAuthority.certificatePem))
    : credentials.createInsecure();
  const compression =
    options.compression === undefined ? {} : { 'grpc.default_compression_algorithm': options.compression };
  return new pulsemesh.link.v1.Link(`localhost:${port}`, use, compression);
}

function sealed(number: number, length: number): { sealed: { session: Buffer; number: string; box: Buffer } } {
  return { sealed: { session: Buffer.alloc(16, 7), number: String(number), box: Buffer.alloc(length, number & 0xff) } };
}

/** Resolves with the status the call ended with. */
function endOf(call: ClientDuplexStream<object, StockPacket>): Promise<{ code: number; details: string }> {
  return new Promise((resolve) => {
    call.on('error', (error: ServiceError) => resolve({ code: error.code, details: error.details }));
    call.on('status', (end) => resolve({ code: end.code, details: end.details }));
    call.on('data', () => {});
  });
}

describe('a stock gRPC client', () => {
  for (const isTls of [false, true]) {
    it(`exchanges packets of link.proto and ends in good order, ${isTls ? 'TLS' : 'plaintext'}`, async () => {
      await using server = await startTestServer({ tls: isTls ? issueTlsMaterial() : null });
      const client = connect(server.port, { isTls });
      const call = client.Session();
      const received: StockPacket[] = [];
      const lengths = [0, 1, 1000, 16_384, 100_000];
      const all = new Promise<void>((resolve) => {
        call.on('data', (packet: StockPacket) => {
          if (received.push(packet) === lengths.length) resolve();
        });
      });
      lengths.forEach((length, number) => void call.write(sealed(number + 1, length)));
      await all;
      expect(received.map((packet) => packet.sealed?.box.length)).toEqual(lengths);
      expect(received.map((packet) => packet.sealed?.number)).toEqual(['1', '2', '3', '4', '5']);
      const end = endOf(call);
      call.end();
      expect(await end).toMatchObject({ code: status.OK });
      client.close();
    });
  }

  it('is told the code when the server closes the carrier', async () => {
    const onCarrier = (carrier: Carrier) =>
      carrier.start({ ...silentHandler, onPacket: () => carrier.close(new Condition('test', 'over')) });
    await using server = await startTestServer({}, { onCarrier });
    const client = connect(server.port);
    const call = client.Session();
    call.write(sealed(1, 10));
    expect(await endOf(call)).toMatchObject({ code: status.UNAVAILABLE });
    client.close();
  });

  it('is refused with a sentence when it compresses', async () => {
    await using server = await startTestServer();
    const client = connect(server.port, { compression: 2 });
    const call = client.Session();
    call.write(sealed(1, 5000));
    const end = await endOf(call);
    expect(end.code).toBe(status.UNIMPLEMENTED);
    expect(end.details).toContain('Compressed bodies are not taken');
    client.close();
  });

  it('is refused with a sentence when there is no room', async () => {
    await using server = await startTestServer({ limits: { carriersMax: 1 } });
    const client = connect(server.port);
    const first = client.Session();
    first.write(sealed(1, 1));
    await new Promise((resolve) => first.once('data', resolve));
    const end = await endOf(client.Session());
    expect(end).toEqual({ code: status.UNAVAILABLE, details: expect.stringContaining('carriersMax, 1') });
    first.on('error', () => {});
    first.cancel();
    client.close();
  });

  it('loses its call, and only it, over a packet past the limit', async () => {
    await using server = await startTestServer({ limits: { packetBytesMax: 1000 } });
    const client = connect(server.port);
    const call = client.Session();
    call.write(sealed(1, 2000));
    expect(await endOf(call)).toMatchObject({ code: status.INTERNAL });
    const other = client.Session();
    other.write(sealed(2, 10));
    expect(await new Promise((resolve) => other.once('data', resolve))).toMatchObject({ sealed: { number: '2' } });
    const end = endOf(other);
    other.end();
    await end;
    client.close();
  });
});
