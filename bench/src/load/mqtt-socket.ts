import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import mqttPacket, { type Packet } from 'mqtt-packet';

/** A bare MQTT 3.1.1 connection: as little work per message as a load generator can do. The caller destroys it. */
export interface MqttSocket {
  readonly socket: Socket;
  write(packet: Packet): void;
}

/**
 * Connects and waits for CONNACK; later packets go to `onPacket`.
 * @throws when the broker refuses or closes.
 */
export async function openMqttSocket(
  url: string,
  clientId: string,
  onPacket: (packet: Packet) => void,
): Promise<MqttSocket> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  await once(socket, 'connect');
  const parser = mqttPacket.parser();
  const welcomed = Promise.withResolvers<void>();
  let isWelcome = false;
  parser.on('packet', (packet: Packet) => {
    if (isWelcome) return onPacket(packet);
    if (packet.cmd !== 'connack' || packet.returnCode !== 0) return welcomed.reject(new Error('the broker refused'));
    isWelcome = true;
    return welcomed.resolve();
  });
  socket.on('data', (chunk) => parser.parse(chunk));
  socket.on('error', (error) => welcomed.reject(error));
  socket.on('close', () => welcomed.reject(new Error('the broker closed the connection')));
  const write = (packet: Packet) => void socket.write(mqttPacket.generate(packet));
  write({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: true, clientId, keepalive: 60 });
  await welcomed.promise;
  return { socket, write };
}
