import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSystemClock, sleep } from '@pulsemesh/base';
import { freePort, programFolders, runProgram, Spawned } from './spawned.ts';

const clock = createSystemClock();
const formedWithinMs = 20_000;
const wantedMajor = 2;
const wantedMinor = 10;
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

/**
 * A nats-server of 2.10 or newer: from PATH, or Debian trixie's, which runs as extracted, kept in the user's cache folder (downloaded
 * through apt where that is there and this is root). Null: there is none to be had; `reason` says why.
 */
export async function findNatsServer(): Promise<
  { readonly program: string } | { readonly program: null; readonly reason: string }
> {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'pulsemesh', 'nats-server');
  const cached = join(cache, 'usr', 'sbin', 'nats-server');
  for (const program of [...programFolders().map((folder) => join(folder, 'nats-server')), cached]) {
    if (existsSync(program) && (await isNewEnough(program))) return { program };
  }
  if (process.platform !== 'linux' || process.getuid?.() !== 0 || !existsSync(keyring)) {
    return {
      program: null,
      reason: 'nats-server 2.10 or newer is not installed, and only root on Debian can fetch it',
    };
  }
  try {
    await downloadTo(cache);
    return { program: cached };
  } catch (error) {
    const text = error instanceof Error ? error.message.slice(-300) : '';
    return { program: null, reason: `nats-server 2.10 could not be downloaded: ${text}` };
  }
}

async function isNewEnough(program: string): Promise<boolean> {
  const text = await runProgram({ program, args: ['--version'] }).catch(() => '');
  const [, major = 0, minor = 0] = /v(\d+)\.(\d+)\./.exec(text) ?? [];
  return Number(major) > wantedMajor || (Number(major) === wantedMajor && Number(minor) >= wantedMinor);
}

/** With lists and a configuration of its own, so that the machine's packages stay as they are. */
async function downloadTo(cache: string): Promise<void> {
  const base = await mkdtemp(join(tmpdir(), 'pulsemesh-nats-'));
  try {
    for (const folder of ['state/lists/partial', 'cache/archives/partial', 'debs', 'root']) {
      await mkdir(join(base, folder), { recursive: true });
    }
    const list = `deb [signed-by=${keyring}] http://deb.debian.org/debian trixie main\n`;
    await writeFile(join(base, 'sources.list'), list);
    await writeFile(join(base, 'state/status'), '');
    const settings = [
      `Dir::Etc::sourcelist "${base}/sources.list";`,
      'Dir::Etc::sourceparts "-";',
      `Dir::State "${base}/state";`,
      `Dir::State::status "${base}/state/status";`,
      `Dir::Cache "${base}/cache";`,
      'Acquire::Languages "none";',
      'APT::Sandbox::User "root";',
    ];
    const configuration = join(base, 'apt.conf');
    await writeFile(configuration, `${settings.join('\n')}\n`);
    const apt = (args: readonly string[]) =>
      runProgram({ program: 'apt-get', args: ['-qq', '-c', configuration, ...args], cwd: join(base, 'debs') });
    await apt(['update']);
    await apt(['download', 'nats-server']);
    const [file] = await readdir(join(base, 'debs'));
    await runProgram({ program: 'dpkg', args: ['-x', join(base, 'debs', file ?? ''), join(base, 'root')] });
    await mkdir(join(cache, '..'), { recursive: true });
    await rename(join(base, 'root'), cache).catch(async () => {
      // Another file system, or somebody else was faster.
      if (!existsSync(cache)) await runProgram({ program: 'cp', args: ['-r', join(base, 'root'), cache] });
    });
  } finally {
    await rm(base, { recursive: true, force: true });
  }
}

export interface NatsServerOptions {
  readonly program: string;
  /** `always` unless a test wants to be refused. */
  readonly syncInterval?: string;
}

/** One server of a cluster. */
export interface NatsServer {
  readonly name: string;
  readonly port: number;
  readonly monitorPort: number;
  crash(): Promise<void>;
  restart(): Promise<void>;
}

/** NATS servers with JetStream as a test or a bench started them, on the loopback interface. Disposing ends them. */
export interface NatsCluster extends AsyncDisposable {
  readonly servers: readonly NatsServer[];
  /** As an engine takes it: all servers, and where they are monitored. */
  readonly url: string;
}

/** Resolves once the server that leads the cluster's JetStream sees all others; rejects where that does not come to be. */
async function formed(servers: readonly NatsServer[]): Promise<void> {
  const untilMs = clock.monotonicMs() + formedWithinMs;
  while (clock.monotonicMs() < untilMs) {
    for (const { monitorPort } of servers) {
      const answer = await fetch(`http://127.0.0.1:${monitorPort}/jsz`);
      // Its leader alone names the others.
      const others: { readonly current?: boolean; readonly offline?: boolean }[] =
        JSON.parse(await answer.text()).meta_cluster?.replicas ?? [];
      if (others.length === servers.length - 1 && others.every(({ current, offline }) => current && !offline)) return;
    }
    await sleep(clock, 100);
  }
  throw new Error('the NATS servers have not found each other');
}

/** Starts one server, or a cluster of three in which all have found each other; a second time where they do not. */
export async function startNats(count: 1 | 3, options: NatsServerOptions): Promise<NatsCluster> {
  const first = await startOnce(count, options);
  try {
    if (count > 1) await formed(first.servers);
    return first;
  } catch {
    await first[Symbol.asyncDispose]();
  }
  const second = await startOnce(count, options);
  await formed(second.servers);
  return second;
}

async function startOnce(count: 1 | 3, options: NatsServerOptions): Promise<NatsCluster> {
  const base = await mkdtemp(join(tmpdir(), 'pulsemesh-nats-'));
  await chmod(base, 0o755);
  const ports = await Promise.all(
    Array.from({ length: count }, async () => ({
      client: await freePort(),
      route: await freePort(),
      monitor: await freePort(),
    })),
  );
  const routes = ports.map(({ route }) => `nats://127.0.0.1:${route}`);
  const servers: RunningNats[] = [];
  for (const [index, { client, route, monitor }] of ports.entries()) {
    const name = `n${index + 1}`;
    const cluster =
      count === 1
        ? []
        : [`cluster { name: pulsemesh, listen: "127.0.0.1:${route}", routes: [${routes.map((each) => `"${each}"`)}] }`];
    const configuration = [
      `server_name: ${name}`,
      `listen: "127.0.0.1:${client}"`,
      `http: "127.0.0.1:${monitor}"`,
      `jetstream { store_dir: "${join(base, name)}", sync_interval: ${options.syncInterval ?? 'always'} }`,
      ...cluster,
    ];
    const file = join(base, `${name}.conf`);
    await writeFile(file, `${configuration.join('\n')}\n`);
    servers.push(new RunningNats(options.program, name, file, client, monitor));
  }
  await Promise.all(servers.map((server) => server.restart()));
  const hosts = ports.map(({ client }) => `127.0.0.1:${client}`).join(',');
  const monitors = ports.map(({ monitor }) => `127.0.0.1:${monitor}`).join(',');
  return {
    servers,
    url: `nats://${hosts}?monitor=${monitors}&replicas=${count}`,
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => server.crash()));
      await rm(base, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}

class RunningNats implements NatsServer {
  readonly name: string;
  readonly port: number;
  readonly monitorPort: number;
  readonly #program: string;
  readonly #configuration: string;
  #spawned: Spawned | null = null;

  constructor(program: string, name: string, configuration: string, port: number, monitorPort: number) {
    this.#program = program;
    this.name = name;
    this.#configuration = configuration;
    this.port = port;
    this.monitorPort = monitorPort;
  }

  async restart(): Promise<void> {
    this.#spawned = new Spawned({ program: this.#program, args: ['-c', this.#configuration] });
    await this.#spawned.said(/Server is ready/);
  }

  async crash(): Promise<void> {
    await this.#spawned?.kill('SIGKILL');
  }
}
