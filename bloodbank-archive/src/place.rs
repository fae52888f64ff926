//! Where an archive is: a folder, or a bucket of a cloud.

use std::{fmt, path::PathBuf, sync::Arc};

use bloodbank_core::{Error, ErrorKind, Result};
use object_store::{ObjectStore, local::LocalFileSystem, path::Path};
use url::Url;

/// A store of objects, the folder in it, and both as they are shown.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) root: Path,
    pub(crate) shown: Arc<str>,
    /// The folder of this machine; `None`: it is in a cloud, or in a store that somebody else has opened.
    pub(crate) folder: Option<PathBuf>,
}

/// A cloud, and what a program that archives there is built with.
struct Cloud {
    schemes: &'static [&'static str],
    feature: &'static str,
    is_built_in: bool,
    /// The beginning of the variables that name its credentials and its address.
    variables: &'static str,
}

const CLOUDS: [Cloud; 3] = [
    Cloud { schemes: &["s3", "s3a"], feature: "s3", is_built_in: cfg!(feature = "s3"), variables: "AWS_" },
    Cloud { schemes: &["gs"], feature: "gcs", is_built_in: cfg!(feature = "gcs"), variables: "GOOGLE_" },
    Cloud {
        schemes: &["az", "azure", "abfs", "abfss"],
        feature: "azure",
        is_built_in: cfg!(feature = "azure"),
        variables: "AZURE_",
    },
];

impl Place {
    /// Finds the place of an address, without looking at it.
    pub(crate) fn open(address: &str) -> Result<Self> {
        let Some((scheme, _)) = address.split_once("://") else {
            return Self::folder(std::path::Path::new(address), address);
        };
        let url = Url::parse(address).map_err(|error| unusable(address, &error.to_string()))?;
        if scheme == "file" {
            let path = url.to_file_path().map_err(|()| unusable(address, "it names no folder of this machine"))?;
            return Self::folder(&path, address);
        }
        let Some(cloud) = CLOUDS.iter().find(|cloud| cloud.schemes.contains(&scheme)) else {
            return Err(unusable(address, &format!("`{scheme}` is no place for an archive")));
        };
        if !cloud.is_built_in {
            let feature = cloud.feature;
            return Err(Error::new(
                ErrorKind::Settings,
                format!(
                    "the archive {address} needs a client that this program was built without; build it with the feature \
                     `archive-{feature}` of `bb`, or `{feature}` of `bloodbank-archive`"
                ),
            ));
        }
        Self::cloud(&url, cloud)
    }

    fn folder(path: &std::path::Path, address: &str) -> Result<Self> {
        let absolute = std::path::absolute(path).map_err(|error| unusable(address, &error.to_string()))?;
        let root = Path::from_absolute_path(&absolute).map_err(|error| unusable(address, &error.to_string()))?;
        // From the root of the machine, so that the folder need not be there yet; written through to the disk, as in a cloud.
        let store = LocalFileSystem::new().with_fsync(true);
        Ok(Self { store: Arc::new(store), root, shown: absolute.display().to_string().into(), folder: Some(absolute) })
    }

    fn cloud(url: &Url, cloud: &Cloud) -> Result<Self> {
        if url.password().is_some() || url.query().is_some() {
            let variables = cloud.variables;
            return Err(Error::new(
                ErrorKind::Settings,
                format!(
                    "the address of the archive holds more than its place; put credentials into variables `{variables}…`"
                ),
            ));
        }
        #[cfg(feature = "cloud")]
        // Somebody else may have chosen already; all of them will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let variables = std::env::vars().filter(|(name, _)| name.starts_with(cloud.variables));
        let (store, root) = object_store::parse_url_opts(url, variables)
            .map_err(|error| unusable(url.as_str(), &format!("{error}; its variables are `{}…`", cloud.variables)))?;
        Ok(Self { store: store.into(), root, shown: url.as_str().trim_end_matches('/').into(), folder: None })
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.shown).finish()
    }
}

fn unusable(address: &str, why: &str) -> Error {
    Error::new(
        ErrorKind::Settings,
        format!(
            "BLOODBANK_ARCHIVE is {address:?}, which cannot be used: {why}; set it to a folder, `file:///folder`, \
             `s3://bucket/folder`, `gs://bucket/folder` or `az://container/folder`"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_needs_no_scheme_and_need_not_be_there() {
        for address in ["/srv/archive", "/srv/archive/", "file:///srv/archive"] {
            let place = Place::open(address).unwrap();
            assert_eq!(place.root.as_ref(), "srv/archive", "{address}");
        }
        let here = std::env::current_dir().unwrap().join("kept");
        assert_eq!(*Place::open("kept").unwrap().shown, *here.display().to_string());
    }

    #[test]
    fn what_is_no_place_is_an_error_that_says_what_is() {
        for address in ["ftp://host/folder", "http://host/folder", "file://host/folder", "s3://"] {
            let error = Place::open(address).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Settings, "{address}");
            assert!(error.to_string().contains(address), "{error}");
        }
        let error = Place::open("ftp://host/folder").unwrap_err().to_string();
        assert!(error.contains("`ftp` is no place for an archive; set it to a folder"), "{error}");
    }

    #[test]
    #[cfg(not(feature = "s3"))]
    fn a_client_that_is_not_built_in_is_named_with_its_feature() {
        let error = Place::open("s3://bucket/folder").unwrap_err().to_string();
        assert!(error.contains("`archive-s3` of `bb`"), "{error}");
    }

    #[test]
    #[cfg(feature = "s3")]
    fn an_address_is_no_place_for_a_secret() {
        let error = Place::open("s3://key:secret@bucket/folder").unwrap_err().to_string();
        assert!(error.contains("`AWS_…`") && !error.contains("secret@"), "{error}");
    }
}
