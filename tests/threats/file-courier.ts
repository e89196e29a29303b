import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Carries what lies ready between a site's folder and the relay's, both ways, and shows it to whoever looks into the bag. */
export async function moveFiles(site: string, relay: string, look: (bytes: Buffer) => void): Promise<void> {
  await moveOneWay(join(site, 'to-server'), join(relay, 'to-server'), look);
  await moveOneWay(join(relay, 'to-agent'), join(site, 'to-agent'), look);
}

async function moveOneWay(from: string, to: string, look: (bytes: Buffer) => void): Promise<void> {
  for (const id of await readdir(from).catch(() => [])) {
    const names = (await readdir(join(from, id)).catch(() => [])).filter((name) => name.endsWith('.packets'));
    for (const name of names.sort()) {
      const bytes = await readFile(join(from, id, name));
      look(bytes);
      await mkdir(join(to, id), { recursive: true });
      await writeFile(join(to, id, `${name}.part`), bytes);
      await rename(join(to, id, `${name}.part`), join(to, id, name));
      await rm(join(from, id, name));
    }
  }
}
