//! A test's hold on one application: what it runs with, what happened to it, and what a pipeline or
//! an operator would do to it.

use std::sync::Arc;
use std::time::Duration;

use super::deployment::{Author, Deployment, DesiredState, Pace, UpdateStrategy};
use super::history::{AppHistory, Map, ReplicaView};
use super::world::{Place, Shared, World};

/// How long a roll takes per replica, unless a test says otherwise.
const ROLL_TIME: Duration = Duration::from_millis(30);

/// One application.
#[derive(Clone, Debug)]
pub struct App {
    shared: Arc<Shared>,
    id: String,
}

impl App {
    pub(crate) fn new(shared: &Arc<Shared>, id: String) -> Self {
        Self { shared: Arc::clone(shared), id }
    }

    pub(crate) fn deploy<N: Into<String>, V: Into<String>>(
        shared: &Arc<Shared>,
        place: Option<Place>,
        name: &str,
        properties: impl IntoIterator<Item = (N, V)>,
        secure: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        Self::deploy_as(shared, place, name, properties, secure, |_| {})
    }

    /// The same on the platform that `home` makes of it.
    pub(crate) fn deploy_as<N: Into<String>, V: Into<String>>(
        shared: &Arc<Shared>,
        place: Option<Place>,
        name: &str,
        properties: impl IntoIterator<Item = (N, V)>,
        secure: impl IntoIterator<Item = (N, V)>,
        home: impl FnOnce(&mut Deployment),
    ) -> Self {
        let map = |(name, value): (N, V)| (name.into(), value.into());
        let (properties, secure) =
            (properties.into_iter().map(map).collect(), secure.into_iter().map(map).collect());
        let mut world = shared.lock();
        let mut deployment =
            Deployment::new(name, properties, secure, Pace::PerReplica(ROLL_TIME), world.now());
        home(&mut deployment);
        let app = Self::new(shared, deployment.id.clone());
        world.elsewhere.extend(place.map(|place| (deployment.id.clone(), place)));
        world.deployments.push(deployment);
        app
    }

    /// Its deployment id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What each replica that runs now runs with.
    pub fn running(&self) -> Vec<ReplicaView> {
        self.with(|deployment, _| deployment.running())
    }

    /// All that happened to it, also after its removal.
    pub fn history(&self) -> AppHistory {
        self.with(|deployment, _| deployment.history())
    }

    /// The clear properties of the desired specification, which may not be what runs.
    pub fn desired_properties(&self) -> Map {
        self.with(|deployment, _| deployment.spec().properties.clone())
    }

    /// The secure properties of the desired specification, which may not be what runs.
    pub fn desired_secure(&self) -> Map {
        self.with(|deployment, _| deployment.spec().secure.clone())
    }

    /// The desired version and the last successful one.
    pub fn versions(&self) -> (String, Option<String>) {
        self.with(|deployment, _| {
            (deployment.spec().version.clone(), deployment.last_good().map(|good| good.version.clone()))
        })
    }

    /// Whether a roll is under way.
    pub fn is_rolling(&self) -> bool {
        self.with(|deployment, _| deployment.is_rolling())
    }

    /// Has so many replicas from now on (one at first).
    pub fn scale(&self, replicas: usize) -> &Self {
        self.with(|deployment, world| deployment.scale(replicas, world.now()));
        self
    }

    /// Replaces replicas so from now on (rolling at first).
    pub fn strategy(&self, strategy: UpdateStrategy) -> &Self {
        self.with(|deployment, _| deployment.strategy = strategy);
        self
    }

    /// All its replicas die, and nothing but a roll brings them back.
    pub fn crash(&self) -> &Self {
        self.with(|deployment, world| deployment.crash(world.now()));
        self
    }

    /// Later rolls take so long per replica.
    pub fn roll_time(&self, per_replica: Duration) -> &Self {
        self.with(|deployment, _| deployment.pace = Pace::PerReplica(per_replica));
        self
    }

    /// Later rolls go on only when told to.
    pub fn roll_by_hand(&self) -> &Self {
        self.with(|deployment, _| deployment.pace = Pace::Manual);
        self
    }

    /// Replaces the next replica of the roll under way. False if there is no roll.
    pub fn step_roll(&self) -> bool {
        self.with(|deployment, world| deployment.step(&world.rules, world.now()))
    }

    /// Takes the roll under way to its end, at once. False if there is no roll.
    pub fn finish_roll(&self) -> bool {
        self.with(|deployment, world| {
            let rolling = deployment.is_rolling();
            while deployment.step(&world.rules, world.now()) {}
            rolling
        })
    }

    /// Fails the roll under way, at once. False if there is no roll.
    pub fn fail_roll(&self) -> bool {
        self.with(|deployment, world| deployment.fail(&world.rules, world.now()))
    }

    /// The next `count` rolls fail at their last replica.
    pub fn fail_next_rolls(&self, count: u32) -> &Self {
        self.with(|deployment, _| deployment.fail_next = count);
        self
    }

    /// Somebody starts, stops or undeploys it.
    pub fn want(&self, state: DesiredState) -> &Self {
        self.with(|deployment, world| deployment.want(state, world.now()));
        self
    }

    /// It is gone: the API knows it no more.
    pub fn remove(&self) {
        self.with(|deployment, world| {
            deployment.set_desired(DesiredState::Undeployed, world.now());
            deployment.removed = true;
        });
    }

    /// A pipeline redeploys it.
    pub fn foreign_redeploy(&self, redeploy: Redeploy) {
        self.with(|deployment, world| {
            let spec = deployment.spec();
            let carried = |name: &String| Some((name.clone(), spec.properties.get(name)?.clone()));
            let (mut properties, mut secure) = match redeploy.base {
                Base::Nothing => (Map::new(), Map::new()),
                Base::Stored => (spec.properties.clone(), spec.secure.clone()),
                Base::Original => {
                    (deployment.original().properties.clone(), deployment.original().secure.clone())
                }
            };
            properties.extend(redeploy.carried.iter().filter_map(carried));
            properties.extend(redeploy.properties);
            secure.extend(redeploy.secure);
            deployment.write(properties, secure, &Author::outside("pipeline"), 0, world.now());
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut Deployment, &World) -> T) -> T {
        let mut world = self.shared.lock();
        let place = world.deployments.iter().position(|deployment| deployment.id == self.id);
        // Taken out for the time of the call, so that the rules and the clock can be read beside it.
        let place = place.expect("a deployment is never dropped");
        let mut deployment = world.deployments.remove(place);
        let result = act(&mut deployment, &world);
        world.deployments.insert(place, deployment);
        result
    }
}

#[derive(Clone, Copy, Debug)]
enum Base {
    Nothing,
    Stored,
    Original,
}

/// What a pipeline writes when it redeploys an application.
#[derive(Clone, Debug)]
pub struct Redeploy {
    base: Base,
    properties: Map,
    secure: Map,
    carried: Vec<String>,
}

impl Redeploy {
    fn on(base: Base) -> Self {
        Self { base, properties: Map::new(), secure: Map::new(), carried: Vec::new() }
    }

    /// Exactly the maps that are added below.
    pub fn of_nothing() -> Self {
        Self::on(Base::Nothing)
    }

    /// The maps as they are stored now: a new version with the same content.
    pub fn of_stored() -> Self {
        Self::on(Base::Stored)
    }

    /// The maps that the application was first deployed with: a pipeline that kept the old password.
    pub fn of_original() -> Self {
        Self::on(Base::Original)
    }

    /// Sets a clear property.
    pub fn property(mut self, name: &str, value: &str) -> Self {
        self.properties.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets a secure property.
    pub fn secure(mut self, name: &str, value: &str) -> Self {
        self.secure.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Carries over a clear property as it is stored, if it is.
    pub fn carry(mut self, name: &str) -> Self {
        self.carried.push(name.to_owned());
        self
    }
}
