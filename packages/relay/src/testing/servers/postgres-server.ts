import { chownSync, existsSync, mkdirSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, programFolders, runProgram, Spawned, versionFolders } from './spawned.ts';

export interface PostgresServerOptions {
  /** Settings besides the defaults. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Where its data is, or comes to be; default a new temporary directory, removed when it is disposed. */
  readonly directory?: string;
  /** Instead of a new database: a standby of this server. */
  readonly standbyOf?: PostgresServer;
}

/** PostgreSQL as a test or a bench started it, on the loopback interface; no password. Disposing ends it. */
export interface PostgresServer extends AsyncDisposable {
  readonly port: number;
  /** Of the database `postgres`. */
  readonly url: string;
  /** `127.0.0.1:port`. */
  readonly host: string;
  readonly directory: string;
  /** Ends it as a crash does: SIGKILL. */
  crash(): Promise<void>;
  /** Starts it again on the same data. */
  restart(): Promise<void>;
}

/** Where PostgreSQL's programs are, or null. */
export function findPostgres(): string | null {
  const needed = ['postgres', 'initdb', 'pg_basebackup'];
  const folders = [...versionFolders('/usr/lib/postgresql', 'bin'), ...programFolders()];
  return folders.find((folder) => needed.every((name) => existsSync(join(folder, name)))) ?? null;
}

/**
 * Makes a database cluster and starts its server.
 * @throws where PostgreSQL is not installed, with what its programs said.
 */
export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const programs = findPostgres();
  if (programs === null) throw new Error('PostgreSQL is not installed');
  const owner = unprivileged();
  const base = options.directory ?? (await mkdtemp(join(tmpdir(), 'pulsemesh-postgres-')));
  mkdirSync(base, { recursive: true });
  await chmod(base, 0o755);
  const directory = join(base, 'data');
  if (owner.uid !== undefined && owner.gid !== undefined) chownSync(base, owner.uid, owner.gid);
  const port = await freePort();
  if (existsSync(join(directory, 'PG_VERSION'))) {
    // The data of an earlier server, as it was left.
  } else if (options.standbyOf === undefined) {
    const args = ['-D', directory, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
    await runProgram({ program: join(programs, 'initdb'), args, cwd: base, ...owner });
  } else {
    const source = `host=127.0.0.1 port=${options.standbyOf.port} user=postgres application_name=standby`;
    const args = ['-D', directory, '-d', source, '-R', '-X', 'stream', '-c', 'fast', '--no-sync'];
    await runProgram({ program: join(programs, 'pg_basebackup'), args, cwd: base, ...owner });
  }
  const server = new RunningPostgres(join(programs, 'postgres'), base, port, options, owner);
  await server.restart();
  return server;
}

interface Owner {
  readonly uid?: number;
  readonly gid?: number;
}

/** PostgreSQL refuses to run as root; then it runs as nobody. */
function unprivileged(): Owner {
  const nobody = 65_534;
  return process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {};
}

class RunningPostgres implements PostgresServer {
  readonly port: number;
  readonly directory: string;
  readonly #program: string;
  readonly #options: PostgresServerOptions;
  readonly #owner: Owner;
  #spawned: Spawned | null = null;

  constructor(program: string, directory: string, port: number, options: PostgresServerOptions, owner: Owner) {
    this.#program = program;
    this.directory = directory;
    this.port = port;
    this.#options = options;
    this.#owner = owner;
  }

  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  get url(): string {
    return `postgres://postgres@${this.host}/postgres`;
  }

  async restart(): Promise<void> {
    const settings = {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      shared_buffers: '64MB',
      logging_collector: 'off',
      log_destination: 'stderr',
      ...this.#options.settings,
    };
    const args = ['-D', join(this.directory, 'data'), '-p', String(this.port)];
    for (const [name, value] of Object.entries(settings)) args.push('-c', `${name}=${value}`);
    this.#spawned = new Spawned({ program: this.#program, args, cwd: this.directory, ...this.#owner });
    await this.#spawned.said(/database system is ready to accept (?:read-only )?connections/);
  }

  async crash(): Promise<void> {
    await this.#spawned?.kill('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#spawned?.kill('SIGQUIT');
    if (this.#options.directory === undefined) {
      await rm(this.directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    }
  }
}
