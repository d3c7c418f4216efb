/** Image of the Temporal server, pinned by digest (`npm run images:refresh`). Both images have the same version. */
export const SERVER_IMAGE =
  'temporalio/server:1.31.2@sha256:b5ecdb8282bededae2a10c36e8d862e27d0bc2d247fc73c5416025997ab4a1da';
/** Image with temporal-sql-tool and the `temporal` command. */
export const ADMIN_TOOLS_IMAGE =
  'temporalio/admin-tools:1.31.2@sha256:dbc5fcd6ee8f0f4d808bf765af9a87dea9d8a283abfdcfbd2fc148496ba66107';
