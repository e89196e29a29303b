import { once } from 'node:events';
import { promisify } from 'node:util';
import {
  Client,
  credentials,
  type handleBidiStreamingCall,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
} from '@grpc/grpc-js';
import { type Contender, headerBytes, withHeader } from '../contender.ts';

const identity = (value: Buffer) => value;
const path = '/bench.Relay/Session';
const definition = {
  session: {
    path,
    requestStream: true,
    responseStream: true,
    requestSerialize: identity,
    requestDeserialize: identity,
    responseSerialize: identity,
    responseDeserialize: identity,
  },
} as const;

/** `@grpc/grpc-js` at both ends: one bidirectional stream a connection, bytes without protobuf. */
export const grpcJs: Contender = {
  name: '@grpc/grpc-js 1.14',
  async listen({ tls }) {
    const server = new Server();
    const connections = new Map<number, ServerDuplexStream<Buffer, Buffer>>();
    const session: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
      const id = Number(call.metadata.get('id')[0]);
      connections.set(id, call);
      call.sendMetadata(new Metadata());
      call.on('data', (message: Buffer) => connections.get(message.readUInt32BE(0))?.write(message));
      call.on('error', () => connections.delete(id));
      call.on('end', () => call.end());
    };
    server.addService(definition, { session });
    const secured =
      tls === null
        ? ServerCredentials.createInsecure()
        : ServerCredentials.createSsl(null, [{ private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.cert) }]);
    const port = await promisify(server.bindAsync.bind(server))('127.0.0.1:0', secured);
    return { port, stop: async () => server.forceShutdown() };
  },
  async connect({ port, tls, id, onMessage }) {
    const secured = tls === null ? credentials.createInsecure() : credentials.createSsl(Buffer.from(tls.cert));
    const client = new Client(`127.0.0.1:${port}`, secured, { 'grpc.use_local_subchannel_pool': 1 });
    const metadata = new Metadata();
    metadata.set('id', `${id}`);
    const call = client.makeBidiStreamRequest(path, identity, identity, metadata);
    call.on('data', (message: Buffer) => onMessage(message.subarray(headerBytes)));
    call.on('error', () => undefined); // closing the client cancels the call
    await once(call, 'metadata');
    return { send: (to, payload) => void call.write(withHeader(to, payload)), close: () => client.close() };
  },
};
