import { EngineUrlError } from '../../errors.ts';

/** Where a NATS cluster is, and how it is used. */
export interface NatsSettings {
  /** `host:port`. */
  readonly servers: readonly string[];
  readonly user: string | null;
  readonly password: string | null;
  readonly isTls: boolean;
  /** Base URLs of the servers' monitoring ports. */
  readonly monitors: readonly string[];
  readonly stream: string;
  readonly replicas: 1 | 3 | 5;
}

const serversMax = 16;
const parameterNames = ['stream', 'monitor', 'replicas', 'tls'];

/**
 * Takes apart `nats://user:password@host:port,host:port?monitor=host:port,host:port&stream=…&replicas=3&tls=true`.
 * Monitors may be given as URLs too.
 * @throws {EngineUrlError} for anything else.
 */
export function parseNatsUrl(url: string): NatsSettings {
  const parts = /^nats:\/\/(?:([^@/?#]*)@)?([^@/?#]+)\/?(?:\?([^#]*))?$/.exec(url);
  if (parts === null)
    throw new EngineUrlError('must be nats://user:password@host:port[,host:port…]?monitor=host:port[,…]');
  const [, login, hosts = '', query = ''] = parts;
  const parameters = new URLSearchParams(query);
  for (const name of parameters.keys()) {
    if (!parameterNames.includes(name)) throw new EngineUrlError(`takes ${parameterNames.join(', ')}`);
  }
  const stream = parameters.get('stream') ?? 'PULSEMESH_RELAY';
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(stream)) throw new EngineUrlError('stream is letters, digits, _ and -');
  const replicas = Number(parameters.get('replicas') ?? 3);
  if (replicas !== 1 && replicas !== 3 && replicas !== 5) throw new EngineUrlError('replicas is 1, 3 or 5');
  const [user, ...password] = (login ?? '').split(':');
  const monitors = (parameters.get('monitor') ?? '').split(',').filter((each) => each !== '');
  return {
    servers: hosts.split(',').slice(0, serversMax).map(checkedHost),
    user: user ? decoded(user) : null,
    password: password.length > 0 ? decoded(password.join(':')) : null,
    isTls: parameters.get('tls') === 'true',
    monitors: monitors.slice(0, serversMax).map(monitorUrl),
    stream,
    replicas,
  };
}

function checkedHost(host: string): string {
  if (!/^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?$/.test(host)) {
    throw new EngineUrlError('each host is host or host:port');
  }
  return host;
}

function monitorUrl(text: string): string {
  if (/^https?:\/\/[^/?#@]+$/.test(text)) return text;
  return `http://${checkedHost(text)}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new EngineUrlError('user and password are percent-encoded');
  }
}
