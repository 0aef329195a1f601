import { join } from 'node:path';
import { REPOSITORY } from './running-mesh.js';

/** Python of the project's own environment, with the packages that scripts/provision pins (nats-py, nkeys, moto, …). */
export const PYTHON = process.env.KEYMESH_PYTHON ?? join(REPOSITORY, '.keymesh-tools/venv/bin/python');
