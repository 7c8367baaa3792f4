//! The bottom of the image.
