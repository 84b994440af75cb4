//! A PNG file of RGB pixels: header, one zlib stream of unfiltered rows, end.
//!
//! Not here: palettes, filters, other depths. Reference: Portable Network Graphics, ISO/IEC 15948.

use std::io::Write;

use flate2::{Compression, Crc, write::ZlibEncoder};

/// What every PNG file begins with.
const SIGNATURE: [u8; 8] = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];

/// The file of `width` x `height` pixels, three bytes each, rows from the top.
///
/// # Errors
/// Where the pixels are not as many as that, or too many for a chunk.
pub(super) fn encode(width: u32, height: u32, pixels: &[u8]) -> std::io::Result<Vec<u8>> {
    let row = width as usize * 3;
    if row == 0 || pixels.len() != row * height as usize {
        return Err(std::io::Error::other("expected three bytes for each pixel"));
    }
    let mut rows = ZlibEncoder::new(Vec::new(), Compression::best());
    for row in pixels.chunks(row) {
        // Filter 0: as it is.
        rows.write_all(&[0])?;
        rows.write_all(row)?;
    }
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    // Eight bits, RGB, and the only compression, filtering and order for that.
    header.extend([8, 2, 0, 0, 0]);
    let mut file = SIGNATURE.to_vec();
    chunk(&mut file, b"IHDR", &header)?;
    chunk(&mut file, b"IDAT", &rows.finish()?)?;
    chunk(&mut file, b"IEND", &[])?;
    Ok(file)
}

fn chunk(file: &mut Vec<u8>, kind: &[u8; 4], content: &[u8]) -> std::io::Result<()> {
    let length = i32::try_from(content.len()).map_err(std::io::Error::other)?;
    let mut sum = Crc::new();
    sum.update(kind);
    sum.update(content);
    file.extend(length.to_be_bytes());
    file.extend(kind);
    file.extend(content);
    file.extend(sum.sum().to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_picture_of_two_pixels_is_these_chunks() {
        let pixels = [255, 0, 0, 0, 0, 255];
        let file = encode(2, 1, &pixels).unwrap();
        assert_eq!(file[..8], SIGNATURE);
        assert_eq!(
            file[8..33],
            *b"\0\0\0\x0dIHDR\0\0\0\x02\0\0\0\x01\x08\x02\0\0\0\x7b\x40\xe8\xdd"
        );
        let length = u32::from_be_bytes(file[33..37].try_into().unwrap()) as usize;
        assert_eq!(file[37..41], *b"IDAT");
        let mut rows = Vec::new();
        flate2::read::ZlibDecoder::new(&file[41..41 + length])
            .read_to_end(&mut rows)
            .unwrap();
        assert_eq!(rows, [0, 255, 0, 0, 0, 0, 255]);
        assert!(file.ends_with(b"\0\0\0\0IEND\xae\x42\x60\x82"));
        assert!(encode(2, 2, &pixels).is_err() && encode(0, 0, &[]).is_err());
    }
}
