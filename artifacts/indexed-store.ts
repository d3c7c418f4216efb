/** The part of a store that is the same for a folder and a bucket: the indexes of names and servers. */
import type { Address } from './manifest.ts';
import { listNames, publishName, resolveName } from './name-index.ts';
import { addServer, listServers } from './servers.ts';
import type { ArtifactStore, NamedVersion, StoreServer } from './store.ts';
import type { Texts } from './texts.ts';

type Indexes = Pick<ArtifactStore, 'publishName' | 'resolveName' | 'listNames' | 'addServer' | 'listServers'>;

/** A store with its indexes in small files. */
export abstract class IndexedStore implements Indexes {
  private readonly texts: Texts;

  constructor(texts: Texts) {
    this.texts = texts;
  }

  publishName(name: string, address: Address): Promise<number> {
    return publishName(this.texts, name, address);
  }

  resolveName(name: string, version: number | 'latest'): Promise<Address | undefined> {
    return resolveName(this.texts, name, version);
  }

  listNames(): Promise<NamedVersion[]> {
    return listNames(this.texts);
  }

  addServer(server: StoreServer): Promise<void> {
    return addServer(this.texts, server);
  }

  listServers(): Promise<StoreServer[]> {
    return listServers(this.texts);
  }
}
