/** Things made of a model's tensors. */
import type { TensorFiles } from '../../model-files/model.ts';
import type { TensorEntry } from '../../model-files/safetensors.ts';

/** Makes something of each tensor of a model, by name, once: when it is first asked for. */
export function eachOnce<T>({ tensors }: TensorFiles, make: (entry: TensorEntry) => T): (name: string) => T {
  const known = new Map<string, T>();
  return (name) => {
    const made = known.get(name) ?? make(tensors.get(name)!);
    known.set(name, made);
    return made;
  };
}
