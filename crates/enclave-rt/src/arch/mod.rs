//! Assembly of the enclave: entry, exit, exceptions, leaves.
