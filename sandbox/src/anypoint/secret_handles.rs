//! A test's hold on secret groups and shared secrets.

use std::sync::Arc;

use serde_json::Value;

use super::groups::{Group, GroupState};
use super::history::{Map, SecretWrite, StoreWrite};
use super::shared_secrets::{StoredSecret, create};
use super::store_types::{Parts, Stores};
use super::stores::{self, Upload};
use super::world::{Shared, World};

/// One secret group.
#[derive(Clone, Debug)]
pub struct SecretGroup {
    shared: Arc<Shared>,
    id: String,
}

impl SecretGroup {
    pub(crate) fn new(shared: &Arc<Shared>, id: String) -> Self {
        Self { shared: Arc::clone(shared), id }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Makes it busy, or free again; a busy group refuses changes with 409.
    pub fn set_state(&self, state: GroupState) -> &Self {
        let mut world = self.shared.lock();
        world.groups.iter_mut().filter(|group| group.id == self.id).for_each(|group| group.state = state);
        drop(world);
        self
    }

    /// Adds a shared secret from a body as POST takes it, for example
    /// `json!({"name": "orders-db", "type": "UsernamePassword", "username": "a", "password": "b"})`.
    ///
    /// # Panics
    /// If the API would refuse it.
    pub fn add_shared_secret(&self, body: &Value) -> SharedSecret {
        let mut world = self.shared.lock();
        let created = create(&mut world, &self.id, body, "setup");
        let id = created.unwrap_or_else(|refusal| panic!("the sandbox refused the secret: {refusal:?}"));
        SharedSecret { shared: Arc::clone(&self.shared), id }
    }

    /// Adds a keystore, truststore or certificate from the parts of an upload, `name` and `type` included.
    ///
    /// # Panics
    /// If the API would refuse it.
    pub fn add_store<'p, B: AsRef<[u8]>>(
        &self,
        list: Stores,
        parts: impl IntoIterator<Item = (&'p str, B)>,
    ) -> Store {
        let parts: Parts =
            parts.into_iter().map(|(name, part)| (name.to_owned(), part.as_ref().to_vec())).collect();
        let upload = Upload { group: self.id.clone(), list, id: None, parts, allow_expired: false };
        let created = stores::create(&mut self.shared.lock(), &upload, "setup");
        let id = created.unwrap_or_else(|refusal| panic!("the sandbox refused the store: {refusal:?}"));
        Store { shared: Arc::clone(&self.shared), id }
    }

    /// Deletes it with all that is in it.
    pub fn remove(self) {
        self.shared.lock().groups.retain(|group| group.id != self.id);
    }

    /// How many shared secrets it has.
    pub fn shared_secrets(&self) -> usize {
        let world = self.shared.lock();
        world.groups.iter().find(|group| group.id == self.id).map_or(0, |group| group.secrets.len())
    }

    /// The keystore, truststore or certificate of this name, whoever made it.
    pub fn store(&self, list: Stores, name: &str) -> Option<Store> {
        let world = self.shared.lock();
        let group = world.groups.iter().find(|group| group.id == self.id)?;
        let id = group.stores.iter().find(|store| store.is(list, name))?.id.clone();
        Some(Store { shared: Arc::clone(&self.shared), id })
    }

    /// The shared secret of this name, whoever made it.
    pub fn shared_secret(&self, name: &str) -> Option<SharedSecret> {
        let world = self.shared.lock();
        let group = world.groups.iter().find(|group| group.id == self.id)?;
        let id = group.secrets.iter().find(|secret| secret.name == name)?.id.clone();
        Some(SharedSecret { shared: Arc::clone(&self.shared), id })
    }
}

/// One shared secret.
#[derive(Clone, Debug)]
pub struct SharedSecret {
    shared: Arc<Shared>,
    id: String,
}

impl SharedSecret {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Every value that it was ever given, oldest first; empty once its group is gone.
    pub fn history(&self) -> Vec<SecretWrite> {
        self.read(|secret| secret.writes.clone()).unwrap_or_default()
    }

    /// The fields that it holds now, values included; `None` once its group is gone.
    pub fn current(&self) -> Option<Map> {
        self.read(|secret| secret.writes.last().map(|write| write.fields.clone())).flatten()
    }

    fn read<T>(&self, act: impl FnOnce(&StoredSecret) -> T) -> Option<T> {
        let world: &World = &self.shared.lock();
        let secrets = |group| -> &Vec<StoredSecret> {
            let group: &Group = group;
            &group.secrets
        };
        world.groups.iter().flat_map(secrets).find(|secret| secret.id == self.id).map(act)
    }
}

/// One keystore, truststore or certificate.
#[derive(Clone, Debug)]
pub struct Store {
    shared: Arc<Shared>,
    id: String,
}

impl Store {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Everything that it was ever given, oldest first; empty once its group is gone.
    pub fn history(&self) -> Vec<StoreWrite> {
        let world = self.shared.lock();
        let mut stores = world.groups.iter().flat_map(|group| group.stores.iter());
        stores.find(|store| store.id == self.id).map(|store| store.writes.clone()).unwrap_or_default()
    }
}
