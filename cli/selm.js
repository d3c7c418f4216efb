#!/usr/bin/env node
// The command's entry: makes Node run the TypeScript beside it, then hands over.
import { register } from 'tsx/esm/api';

register();
await import('./main.ts');
