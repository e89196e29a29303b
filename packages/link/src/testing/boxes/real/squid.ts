import { execFileSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Clock } from '@pulsemesh/base';
import { createTestAuthority, type TestAuthority } from '../certificates.ts';
import { absenceOf, freePort, ProgramAbsentError, scratchDirectory, startProgram } from './program.ts';
import type { RealBox, RealInspectorOptions } from './real-box.ts';

const squid = '/usr/sbin/squid';
const helpers = '/usr/lib/squid';

/** Why squid with TLS inspection cannot be started here; null: it can. */
export function squidAbsence(): string | null {
  return absenceOf([squid, `${helpers}/security_file_certgen`, '/usr/bin/openssl'], true);
}

/**
 * Debian's squid (squid-openssl) as a CONNECT proxy: plain, with Basic or NTLM authentication, or opening TLS (ssl-bump) in its
 * default manner, which drops Upgrade and speaks HTTP/1.1 only.
 * @throws {ProgramAbsentError}
 */
export async function startSquid(
  options: RealInspectorOptions,
  dependencies: { readonly clock: Clock },
): Promise<RealBox> {
  const absence = squidAbsence();
  if (absence !== null) throw new ProgramAbsentError('squid', absence);
  const host = options.host ?? '127.0.0.1';
  await using starting = new AsyncDisposableStack();
  const directory = starting.use(await scratchDirectory('squid'));
  chmodSync(directory.path, 0o777); // squid lays its privileges down
  const port = await freePort(host);
  const authority = options.inspects === undefined ? null : createTestAuthority('Squid of the hospital');
  const lines = [
    ...commonLines(directory.path),
    ...authLines(options, directory.path),
    ...(authority === null
      ? [`http_port ${host}:${port}`]
      : bumpLines(directory.path, `${host}:${port}`, authority, options.inspects?.serverCa ?? '')),
  ];
  const config = join(directory.path, 'squid.conf');
  writeFileSync(config, `${lines.join('\n')}\n`);
  // A name of its own: squids of one name share memory. Letters and digits only.
  const name = basename(directory.path).replace(/[^a-zA-Z0-9]/g, '');
  const program = { command: squid, args: ['-N', '-n', name, '-f', config], host, port, endSignal: 'SIGTERM' as const };
  starting.use(await startProgram(program, dependencies));
  const running = starting.move();
  return {
    host,
    port,
    proxyUrl: `http://${host}:${port}`,
    authority,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function commonLines(directory: string): string[] {
  return [
    'cache deny all',
    'access_log none',
    `cache_log ${directory}/cache.log`,
    `pid_filename ${directory}/squid.pid`,
    `coredump_dir ${directory}`,
    'netdb_filename none',
    'shutdown_lifetime 0 seconds',
    'cache_effective_user proxy',
    'visible_hostname squid.hospital.example',
    'dns_v4_first on',
  ];
}

function authLines({ auth }: RealInspectorOptions, directory: string): string[] {
  if (auth === undefined) return ['http_access allow all'];
  const required = ['acl known proxy_auth REQUIRED', 'http_access allow known', 'http_access deny all'];
  if (auth.scheme === 'ntlm') {
    return [`auth_param ntlm program ${helpers}/ntlm_fake_auth`, 'auth_param ntlm children 2', ...required];
  }
  const hash = execFileSync('/usr/bin/openssl', ['passwd', '-apr1', '-stdin'], { input: auth.password })
    .toString()
    .trim();
  const passwords = join(directory, 'passwords');
  writeFileSync(passwords, `${auth.username}:${hash}\n`);
  return [
    `auth_param basic program ${helpers}/basic_ncsa_auth ${passwords}`,
    'auth_param basic children 1',
    'auth_param basic realm hospital',
    ...required,
  ];
}

function bumpLines(directory: string, address: string, authority: TestAuthority, serverCa: string): string[] {
  const own = join(directory, 'authority.pem');
  const servers = join(directory, 'servers.pem');
  writeFileSync(own, authority.certificatePem + authority.keyPem);
  writeFileSync(servers, serverCa);
  const database = join(directory, 'certificates');
  execFileSync(`${helpers}/security_file_certgen`, ['-c', '-s', database, '-M', '4MB'], { stdio: 'ignore' });
  execFileSync('/bin/chown', ['-R', 'proxy', database]);
  return [
    `http_port ${address} ssl-bump cert=${own} generate-host-certificates=on dynamic_cert_mem_cache_size=4MB`,
    `sslcrtd_program ${helpers}/security_file_certgen -s ${database} -M 4MB`,
    'sslcrtd_children 1',
    `tls_outgoing_options cafile=${servers}`,
    'ssl_bump bump all',
  ];
}
