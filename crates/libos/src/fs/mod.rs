//! The tree of files the program sees, and what is open in it.
//!
//! One tree, built once from the manifest: directories in memory that hold trusted files, tmpfs and
//! passthrough directories, devices and `/proc`. A name that is not in it does not exist. There is no mount
//! table: what is mounted is simply a node of the tree, and crossing from one file system to another shows
//! only in `st_dev`.
//!
//! An [`inode::Inode`] is something in the tree, a [`file::File`] something opened, a
//! [`location::Location`] an inode with the path it was reached by.

pub(crate) mod attestation;
pub(crate) mod dev;
pub(crate) mod file;
pub(crate) mod inode;
pub(crate) mod location;
pub(crate) mod passthrough;
pub(crate) mod path;
pub(crate) mod proc;
pub(crate) mod recorded;
pub(crate) mod reopen;
pub(crate) mod terminal;
pub(crate) mod text;
pub(crate) mod tmpfs;
pub(crate) mod tree;
pub(crate) mod trusted;
