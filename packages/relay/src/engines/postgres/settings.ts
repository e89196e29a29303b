import { EngineUrlError } from '../../errors.ts';

/** Where a database is, and how it is used. */
export interface PostgresSettings {
  /** One address for each server, in the order given: the first that is a primary is used. */
  readonly servers: readonly string[];
  /** The schema that all tables are in. */
  readonly schema: string;
}

const serversMax = 16;
const portMax = 65_535;
const schemaPattern = /^[a-z_][a-z0-9_]{0,62}$/;
const defaultSchema = 'pulsemesh_relay';

/**
 * Takes apart `postgres://user:password@host:port,host:port/database?schema=…&sslmode=…`. Several hosts as libpq has them (PostgreSQL
 * 15 manual §34.1.1.3); other parameters are those of pg.
 * @throws {EngineUrlError} for anything else.
 */
export function parsePostgresUrl(url: string): PostgresSettings {
  const parts = /^postgres(?:ql)?:\/\/(?:([^@/?#]*)@)?([^@/?#]+)(\/[^?#]*)?(?:\?([^#]*))?$/.exec(url);
  if (parts === null) throw new EngineUrlError('must be postgres://user:password@host:port[,host:port…]/database');
  const [, login, hosts = '', path = '', query = ''] = parts;
  const parameters = new URLSearchParams(query);
  const schema = parameters.get('schema') ?? defaultSchema;
  if (!schemaPattern.test(schema)) throw new EngineUrlError('schema is lower-case letters, digits and _');
  parameters.delete('schema');
  // Every connection looks for a primary anyhow.
  parameters.delete('target_session_attrs');
  const rest = `${path}${parameters.size === 0 ? '' : `?${parameters}`}`;
  const servers = hosts.split(',');
  if (servers.length > serversMax) throw new EngineUrlError(`at most ${serversMax} hosts`);
  return {
    servers: servers.map((host) => `postgres://${login === undefined ? '' : `${login}@`}${checkedHost(host)}${rest}`),
    schema,
  };
}

function checkedHost(host: string): string {
  const parts = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/.exec(host);
  if (parts === null) throw new EngineUrlError('each host is host or host:port');
  if (Number(parts[2] ?? 1) > portMax) throw new EngineUrlError('a port is at most 65535');
  return host;
}
