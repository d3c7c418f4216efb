/** Finds tokens in a text: of those that begin first, the longest. */

interface Node {
  children: Map<string, Node>;
  id?: number;
}

interface Found {
  start: number;
  end: number;
  id: number;
}

export class TokenTrie {
  private readonly root: Node = { children: new Map() };

  add(token: string, id: number): void {
    let node = this.root;
    for (const unit of token.split('')) {
      let child = node.children.get(unit);
      if (!child) node.children.set(unit, (child = { children: new Map() }));
      node = child;
    }
    if (node !== this.root) node.id = id;
  }

  /** The tokens of a text, without overlaps. */
  find(text: string): Found[] {
    const found: Found[] = [];
    for (let start = 0; start < text.length; start = Math.max(start + 1, found.at(-1)?.end ?? 0)) {
      const longest = this.longestAt(text, start);
      if (longest) found.push(longest);
    }
    return found;
  }

  private longestAt(text: string, start: number): Found | undefined {
    let found: Found | undefined;
    let node = this.root.children.get(text[start]);
    for (let end = start + 1; node; node = node.children.get(text[end++])) {
      if (node.id !== undefined) found = { start, end, id: node.id };
    }
    return found;
  }
}
